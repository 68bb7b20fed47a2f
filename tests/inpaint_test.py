"""scripts/inpaint.py: what it takes and what it refuses."""

import os

import numpy as np
import PIL.Image
import pytest

from inpaint_jax import errors
from scripts import inpaint


@pytest.fixture
def files(tmp_path):
  """A photo, its mask, and a name for the result."""
  photo = np.random.RandomState(0).randint(0, 256, (40, 50, 3), np.uint8)
  mask = np.zeros((40, 50), np.uint8)
  mask[10:20, 10:30] = 255
  PIL.Image.fromarray(photo).save(tmp_path / 'photo.png')
  PIL.Image.fromarray(mask).save(tmp_path / 'mask.png')
  return tmp_path / 'photo.png', tmp_path / 'mask.png', tmp_path / 'out.png'


@pytest.fixture
def run(trained, monkeypatch):
  """Calls the script in this process."""

  def run(*paths, workdir=trained):
    class Flag:
      value = workdir and str(workdir)

    monkeypatch.setattr(inpaint, '_WORKDIR', Flag)
    inpaint.main(['inpaint.py', *map(str, paths)])

  return run


def test_known_pixels_are_kept_and_holes_filled(run, files):
  photo, mask, out = files
  run(photo, mask, out)
  before, after = (np.asarray(PIL.Image.open(x)) for x in (photo, out))
  hole = np.asarray(PIL.Image.open(mask)) > 127
  np.testing.assert_array_equal(after[~hole], before[~hole])
  assert (after[hole] != before[hole]).any()
  assert sorted(os.listdir(out.parent)) == ['mask.png', 'out.png', 'photo.png']


@pytest.mark.parametrize('name', ['out.jpg', 'OUT.WEBP', 'out.tiff'])
def test_the_type_follows_from_the_name(run, files, name):
  photo, mask, out = files
  out = out.with_name(name)
  run(photo, mask, out)
  with PIL.Image.open(out) as image:
    assert image.size == (50, 40)
    suffix = out.suffix.lower()
    assert PIL.Image.registered_extensions()[suffix] == image.format


def test_the_photo_is_turned_upright(run, files):
  photo, mask, out = files
  exif = PIL.Image.Exif()
  exif[0x0112] = 6
  turned = PIL.Image.open(photo).rotate(90, expand=True)
  turned.save(photo, exif=exif)
  run(photo, mask, out)
  assert PIL.Image.open(out).size == (50, 40)


def test_a_mask_of_colours_counts_as_grey(run, files):
  photo, mask, out = files
  run(photo, mask, out)
  PIL.Image.open(mask).convert('RGB').save(mask)
  again = out.with_name('again.png')
  run(photo, mask, again)
  assert again.read_bytes() == out.read_bytes()


def test_a_mask_of_strokes_on_a_transparent_layer(run, files):
  photo, mask, out = files
  run(photo, mask, out)
  grey = PIL.Image.open(mask).convert('L')
  layer = PIL.Image.new('RGBA', grey.size, 'white')
  layer.putalpha(grey)
  layer.save(mask)
  again = out.with_name('again.png')
  run(photo, mask, again)
  assert again.read_bytes() == out.read_bytes()


def _spoil(kind, files, tmp_path):
  photo, mask, out = files
  if kind == 'no photo':
    photo.unlink()
  elif kind == 'text':
    photo.write_text('hello')
  elif kind == 'empty':
    mask.write_bytes(b'')
  elif kind == 'truncated':
    photo.write_bytes(photo.read_bytes()[:500])
  elif kind == 'size':
    PIL.Image.new('L', (49, 40), 255).save(mask)
  elif kind == 'no hole':
    PIL.Image.new('L', (50, 40), 0).save(mask)
  elif kind == 'all hole':
    PIL.Image.new('L', (50, 40), 255).save(mask)
  elif kind == 'no folder':
    out = tmp_path / 'none' / 'out.png'
  elif kind == 'folder':
    out.mkdir()
  elif kind == 'no type':
    out = tmp_path / 'out'
  elif kind == 'overwrite':
    out = photo
  return photo, mask, out


@pytest.mark.parametrize(
  ('kind', 'message'),
  [
    ('no photo', r'photo\.png cannot be read: No such file'),
    ('text', r'photo\.png cannot be read: not a picture'),
    ('empty', r'mask\.png cannot be read: empty file'),
    ('truncated', r'photo\.png cannot be read: '),
    ('size', 'the picture is 50x40 pixels, the mask 49x40'),
    ('no hole', 'the mask has no hole'),
    ('all hole', 'the mask is nothing but hole'),
    ('no folder', 'out.png cannot be written: No such file'),
    ('folder', r'out\.png is a folder'),
    ('no type', 'has no type that can be written'),
    ('overwrite', 'would overwrite an input'),
  ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
  run, files, tmp_path, kind, message
):
  paths = _spoil(kind, files, tmp_path)
  before = {x: x.read_bytes() for x in tmp_path.iterdir() if x.is_file()}
  with pytest.raises(errors.UserError, match=message):
    run(*paths)
  after = {x: x.read_bytes() for x in tmp_path.iterdir() if x.is_file()}
  assert after == before


def test_the_result_is_checked_before_the_run(run, files, tmp_path):
  """A wrong name is not found out after minutes of work."""
  photo, mask, _ = files
  with pytest.raises(errors.UserError, match='cannot be written'):
    run(photo, mask, tmp_path / 'none' / 'out.png', workdir=tmp_path)


def test_a_workdir_without_a_run(run, files, tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    run(*files, workdir=tmp_path)
  with pytest.raises(errors.UserError, match='no --workdir'):
    run(*files, workdir=None)


def test_too_few_names(run, files):
  with pytest.raises(errors.UserError, match='found 2 file names, wanted 3'):
    run(*files[:2])
