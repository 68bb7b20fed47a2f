"""comparison/fills.py: what is filled, what is kept, how long it took."""

import dataclasses

import numpy as np
import pytest

from inpaint_jax.comparison import cases, fills, methods


@pytest.fixture
def to_fill():
  rng = np.random.default_rng(0)
  hole = np.zeros((24, 32), bool)
  hole[8:16, 8:20] = True
  return [
    cases.Case(f'{i:03d}', rng.integers(0, 256, (24, 32, 3), np.uint8), hole)
    for i in range(3)
  ]


@pytest.fixture
def calls(monkeypatch):
  """Makes every method fill with grey; returns the images it was given."""
  calls = []

  def fill(image, hole):
    calls.append(image)
    return np.where(hole[..., None], np.uint8(99), image)

  monkeypatch.setattr(methods, 'create', lambda name, model: fill)
  return calls


def fill_all(to_fill, folder, method='engine', model='', **options):
  fills.fill_all(method, to_fill, folder, model=model, **options)


def test_each_is_filled_after_one_call_that_is_not_timed(
  to_fill, calls, tmp_path
):
  fill_all(to_fill, tmp_path)
  assert [
    x is to_fill[i].truth for i, x in zip([0, 0, 1, 2], calls, strict=True)
  ] == [True] * 4
  for case in to_fill:
    path = case.path(tmp_path, 'engine')
    filled = cases.read(path)
    assert (filled[case.hole] == 99).all()
    np.testing.assert_array_equal(filled[~case.hole], case.truth[~case.hole])
    assert fills.is_filled(path, case)
    assert 0 <= fills.seconds(path) < 10


def test_what_is_there_is_kept_unless_it_is_wanted_again(
  to_fill, calls, tmp_path
):
  fill_all(to_fill[:2], tmp_path)
  calls.clear()
  fill_all(to_fill, tmp_path)
  assert len(calls) == 2
  assert all(x is to_fill[2].truth for x in calls)
  calls.clear()
  fill_all(to_fill, tmp_path)
  assert not calls
  fill_all(to_fill, tmp_path, again=True)
  assert len(calls) == 4


def test_the_engine_fills_anew_with_another_model(to_fill, calls, tmp_path):
  for method, expected in {'engine': [4, 4, 0], 'mean': [4, 0, 0]}.items():
    counts = []
    for model in ('', 'another', 'another'):
      calls.clear()
      fill_all(to_fill, tmp_path, method, model)
      counts.append(len(calls))
    assert counts == expected


def test_a_changed_case_is_filled_anew(to_fill, calls, tmp_path):
  fill_all(to_fill, tmp_path)
  changed = dataclasses.replace(to_fill[1], hole=~to_fill[1].hole)
  path = changed.path(tmp_path, 'engine')
  assert not fills.is_filled(path, changed)
  fill_all([to_fill[0], changed], tmp_path)
  assert fills.is_filled(path, changed)


def test_a_damaged_file_is_no_filling(to_fill, tmp_path):
  path = tmp_path / '000.png'
  assert not fills.is_filled(path, to_fill[0])
  path.write_bytes(b'damaged')
  assert not fills.is_filled(path, to_fill[0])
