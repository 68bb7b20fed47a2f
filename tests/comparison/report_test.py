"""comparison/report.py: tables and pages."""

import csv

import numpy as np
from PIL import Image

from inpaint_jax.comparison import cases, report, scores


def scored(*values, features=None):
  return [scores.Scored(x, features) for x in values]


def rows():
  names = {'lpips_alex': 0.2, 'texture': 0.9, 'seconds': 1.0}
  return {
    'pypatchmatch': scored(names, names, {**names, 'seconds': 4.0}),
    'engine': scored(*[{**names, 'lpips_alex': x} for x in (0.1, 0.2, 0.0)]),
  }


def cells(line):
  return [cell.strip() for cell in line.strip('|').split('|')]


def test_a_table_has_medians_means_and_ratios():
  lines = report.table('things', rows()).splitlines()
  assert lines[0] == '## things, 3 images'
  heads, _, reference, engine = map(cells, lines[2:])
  table = dict(zip(heads, engine, strict=True))
  assert table['lpips_alex'] == '0.1000 (0.1000)'
  assert table['lpips_alex / PM'] == '0.500'
  assert table['seconds'] == '1.00 (1.00)'
  # The number in brackets is the maximum of seconds, the mean of the others.
  assert dict(zip(heads, reference, strict=True))['seconds'] == '1.00 (4.00)'
  # Detectability was not computed, and a column without values is left out.
  assert table['detectability'] == ''
  assert 'lpips_vgg' not in table


def test_a_quick_run_beside_a_full_one_leaves_cells_empty():
  both = rows()
  for row in both['pypatchmatch']:
    row.values['lpips_vgg'] = 0.3
  lines = report.table('things', both).splitlines()
  heads, _, reference, engine = map(cells, lines[2:])
  assert dict(zip(heads, reference, strict=True))['lpips_vgg / PM'] == '1.000'
  table = dict(zip(heads, engine, strict=True))
  assert (table['lpips_vgg'], table['lpips_vgg / PM']) == ('', '')


def test_without_the_reference_there_are_no_ratios():
  text = report.table('things', {'engine': rows()['engine']})
  assert '/ PM' not in text


def test_the_csv_has_a_row_for_each_filling(tmp_path):
  # The first photo was left out.
  names = ('001', '002', '003')
  shown = [cases.Case(x, np.zeros(0), np.zeros(0)) for x in names]
  report.write_csv(tmp_path / 'scores.csv', [x.name for x in shown], rows())
  with (tmp_path / 'scores.csv').open() as file:
    found = list(csv.DictReader(file))
  assert len(found) == 6
  assert found[-1]['method'] == 'engine'
  assert [row['case'] for row in found] == [*names, *names]
  assert found[-1]['lpips_alex'] == '0.0'
  assert found[-1]['psnr'] == ''


def test_the_report_has_the_tables_of_all_kinds(tmp_path):
  for kind in ('text', 'things'):
    (tmp_path / kind).mkdir()
    (tmp_path / kind / 'table.md').write_text(f'table of {kind}\n')
  report.join_tables(tmp_path)
  text = (tmp_path / 'report.md').read_text()
  assert text == 'table of things\n\ntable of text\n'


def test_the_page_shows_the_region_of_each_method(tmp_path):
  truth = np.zeros((400, 400, 3), np.uint8)
  hole = np.zeros((400, 400), bool)
  hole[200:210, 200:220] = True
  case = cases.Case('004', truth, hole)
  cases.save(tmp_path, case)
  path = case.path(tmp_path, 'engine')
  path.parent.mkdir()
  Image.fromarray(truth).save(path)
  report.write_page(tmp_path, 'things', [case], ['engine'])
  page = (tmp_path / 'index.html').read_text()
  for part in ('truth', 'hole', 'engine'):
    assert f'href="{part}/004.png"' in page
    assert f'src="cut/{part}-004.png"' in page
    cut = cases.read(tmp_path / f'cut/{part}-004.png')
    assert cut.shape == (10 + 128, 20 + 128, 3)
  assert (cases.read(tmp_path / 'cut/hole-004.png') == 255).any()
