"""Rows as tables and as JSON."""

import json

from inpaint_jax.speed import report


def test_a_table_has_the_columns_that_rows_have():
  times = [0.001, 0.002, 0.003]
  rows = [
    report.create_row('step', 'JAX', times, images=4, ratio=1.25, share=None),
    report.create_row('step', 'PyTorch', [1.5], ratio=None),
  ]
  assert report.table(rows) == (
    '| what | mode    | median ms | quartiles    | runs | ms/image | ratio |\n'
    '| ---- | ------- | --------- | ------------ | ---- | -------- | ----- |\n'
    '| step | JAX     | 2         | 1.5 to 2.5   | 3    | 0.5      | 1.250 |\n'
    '| step | PyTorch | 1500      | 1500 to 1500 | 1    |          |       |'
  )


def test_a_report_is_kept_as_it_grows(tmp_path, capsys):
  path = tmp_path / 'speed.json'
  kept = report.Report(path)
  kept.about['cores'] = 2
  kept.leave_out('PyTorch')
  kept.leave_out('PyTorch')
  assert json.loads(path.read_text())['left_out'] == ['PyTorch']
  for mode in ('a', 'b'):
    row = report.create_row('step', mode, [5.0, 1.0, 3.0, 2.0, 40.0])
    kept.add('training', 'Steps', [row])
  found = json.loads(path.read_text())
  assert found['about'] == {'cores': 2}
  assert [row['mode'] for row in found['training']] == ['a', 'b']
  assert found['training'][0]['seconds'] == 3.0
  assert found['training'][0]['quartiles'] == [2.0, 5.0]
  assert capsys.readouterr().out.count('left out') == 1
