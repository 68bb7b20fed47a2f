"""metrics.csv and TensorBoard events."""

import pytest
from tensorboardX.proto import event_pb2

from inpaint_jax.training.writer import Writer


def _write(workdir, steps, start=0):
  writer = Writer(workdir, ['train/loss', 'val/loss'], start)
  for step in steps:
    writer.row(step, {'train/loss': 1 / step})
  writer.close()


def test_numbers_read_back_exactly(tmp_path):
  _write(tmp_path, [1, 3])
  lines = (tmp_path / 'metrics.csv').read_text().splitlines()
  assert lines == ['step,train/loss,val/loss', '1,1.0,', f'3,{1 / 3!r},']
  assert float(lines[2].split(',')[1]) == 1 / 3


def test_rows_after_the_checkpoint_are_written_again(tmp_path):
  _write(tmp_path, [1, 2, 3, 4])
  whole = (tmp_path / 'metrics.csv').read_bytes()
  with (tmp_path / 'metrics.csv').open('a') as file:
    file.write('5,0.')
  _write(tmp_path, [3, 4], start=2)
  assert (tmp_path / 'metrics.csv').read_bytes() == whole


@pytest.mark.parametrize(
  ('columns', 'lines'),
  [
    (
      ['val/new', 'train/loss'],
      ['step,val/new,train/loss,val/old', '1,,1.0,2.0', '2,3.0,,'],
    ),
    (
      ['train/loss', 'val/new'],
      ['step,train/loss,val/new,val/old', '1,1.0,,2.0', '2,,3.0,'],
    ),
    (
      ['train/loss', 'val/old', 'val/new'],
      ['step,train/loss,val/old,val/new', '1,1.0,2.0,', '2,,,3.0'],
    ),
  ],
)
def test_rows_keep_their_columns_when_metrics_change(tmp_path, columns, lines):
  writer = Writer(tmp_path, ['train/loss', 'val/old'], 0)
  writer.row(1, {'train/loss': 1, 'val/old': 2})
  writer.close()
  writer = Writer(tmp_path, columns, 1)
  writer.row(2, {'val/new': 3})
  writer.close()
  assert (tmp_path / 'metrics.csv').read_text().splitlines() == lines


def test_rows_that_another_program_changed_are_left_out(tmp_path):
  _write(tmp_path, [1, 2])
  whole = (tmp_path / 'metrics.csv').read_bytes()
  with (tmp_path / 'metrics.csv').open('a') as file:
    file.write('2.0,0.5,\na note\n2,0.5,,\n')
  _write(tmp_path, [], start=2)
  assert (tmp_path / 'metrics.csv').read_bytes() == whole


def test_rows_that_are_lost_are_a_line(tmp_path, capsys):
  _write(tmp_path, [1, 2, 3, 4])
  path = tmp_path / 'metrics.csv'
  lines = path.read_bytes().splitlines(keepends=True)
  lines[2] = lines[2][:3]
  lines[3] = b'3,\xff\x00\n'
  path.write_bytes(b''.join(lines))
  assert capsys.readouterr().err == ''
  _write(tmp_path, [], start=4)
  assert capsys.readouterr().err == f'{path}: damaged rows left out: 1\n'
  assert [x[0] for x in path.read_text().splitlines()[1:]] == ['1', '4']
  path.unlink()
  _write(tmp_path, [5], start=4)
  message = f'{path} is missing; rows up to step 4 are lost\n'
  assert capsys.readouterr().err == message


def test_an_empty_file_is_begun_again(tmp_path):
  (tmp_path / 'metrics.csv').touch()
  _write(tmp_path, [3], start=2)
  assert len((tmp_path / 'metrics.csv').read_text().splitlines()) == 2


def test_a_new_run_begins_with_an_empty_file(tmp_path):
  _write(tmp_path, [1, 2])
  _write(tmp_path, [1])
  assert len((tmp_path / 'metrics.csv').read_text().splitlines()) == 2


def test_the_events_hold_the_scalars(tmp_path):
  _write(tmp_path, [7])
  (path,) = tmp_path.glob('events.out.*')
  data, values = path.read_bytes(), {}
  while data:
    # A record: 8 bytes with its length, 4 of checksum, its data, 4 of checksum.
    length = int.from_bytes(data[:8], 'little')
    event = event_pb2.Event.FromString(data[12 : 12 + length])
    values |= {v.tag: (event.step, v.simple_value) for v in event.summary.value}
    data = data[16 + length :]
  step, value = values['train/loss']
  assert step == 7
  assert abs(value - 1 / 7) < 1e-7
