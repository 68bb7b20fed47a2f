"""comparison/works.py: the works are what they say, and are counted right."""

import itertools

import numpy as np
from PIL import Image
import pytest
from scipy import ndimage

from inpaint_jax.comparison import works
from inpaint_jax.system import errors


@pytest.fixture
def photos(tmp_path):
  paths = [tmp_path / f'{i}.png' for i in range(3)]
  for i, path in enumerate(paths):
    Image.new('RGB', (60, 40), (i, 100, 250)).save(path)
  return paths


def test_works_are_in_the_order_of_their_pixels():
  pixels = [work.height * work.width for work in works.WORKS.values()]
  assert pixels == sorted(pixels)


def test_holes_are_what_the_names_say():
  rng = np.random.default_rng(0)
  assert works.square(rng, 100, 120, 30).sum() == 900
  _, count = ndimage.label(works.discs(rng, 2000, 3000, 5))
  assert 3 <= count <= 5
  specks = works.dots(rng, 300, 400, 20)
  assert 9 * 15 < specks.sum() <= 9 * 20
  every_other = works.rows(rng, 10, 12)
  assert every_other.sum(axis=0).tolist() == [5] * 12
  assert works.scratch(rng, 40, 100).sum() == 300


def test_images_are_photos_with_noise(photos):
  work = works.Work(50, 70, works.rows, 5)
  image, hole = works.create(work, photos[1], 3)
  assert image.shape == (50, 70, 3)
  assert image.dtype == np.uint8
  assert hole.shape == (50, 70)
  assert 1.5 < image[..., 1].std() < 2.5
  assert image[..., 1].mean() == pytest.approx(100, abs=0.2)
  again, _ = works.create(work, photos[1], 3)
  np.testing.assert_array_equal(image, again)


def test_the_first_call_is_not_counted(photos, monkeypatch):
  monkeypatch.setitem(works.WORKS, 'a', works.Work(20, 30, works.rows, 2))
  calls = []

  def fill(image, hole):
    calls.append(image)
    return image

  times = itertools.count(step=0.5)
  found = works.measure({'x': fill}, photos, ['a'], clock=lambda: next(times))
  assert found['a']['x'].seconds == [0.5, 0.5]
  assert len(calls) == 3
  np.testing.assert_array_equal(calls[0], calls[1])
  assert (calls[1] != calls[2]).any()


def test_what_would_take_too_long_is_left_out(photos, monkeypatch, capsys):
  for name, side in {'a': 10, 'b': 20}.items():
    work = works.Work(side, side, works.rows, 1)
    monkeypatch.setitem(works.WORKS, name, work)
  times = itertools.count(step=40)
  found = works.measure(
    {'x': lambda image, hole: image},
    photos,
    ['a', 'b'],
    clock=lambda: next(times),
  )
  assert found['a']['x'].seconds == [40]
  assert not found['b']
  assert 'left out: x, b: at least 160 s' in capsys.readouterr().out


def test_the_table():
  one = works.Measured([1.0, 3.0, 2.0], 2_500_000_000)
  text = works.table(
    {'a': {'x': one}, 'b': {'y': one._replace(peak_bytes=None)}}
  )
  lines = text.splitlines()
  assert lines[0].endswith('| x | y |')
  assert lines[2] == '| a | 2.00 (3.00); 2.5 GB |  |'
  assert lines[3] == '| b |  | 2.00 (3.00) |'


def test_an_unknown_work_is_named(photos):
  with pytest.raises(errors.UserError, match="works='none'"):
    works.measure({}, photos, ['none'])
