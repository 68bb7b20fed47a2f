"""The command that fills photos: what it refuses, in one line."""

import os
import pathlib

import numpy as np
from PIL import Image
import pytest

from inpaint_jax.system import errors
from tests.commands.filling import (
  hole_of,
  noise,
  png,
  snapshot,
)


@pytest.mark.parametrize('which', ['photo', 'mask'])
@pytest.mark.parametrize(
  ('spoil', 'message'),
  [
    (lambda path: path.write_bytes(b'hello'), 'not an image'),
    (lambda path: path.write_bytes(path.read_bytes()[:-900]), 'truncated'),
    (lambda path: path.unlink(), 'the (photo|mask) .* does not exist; name a'),
    (lambda path: (path.unlink(), os.mkfifo(path)), 'not a regular file'),
    (lambda path: (path.unlink(), path.mkdir()), 'is a folder|the folder'),
  ],
)
def test_a_bad_file_is_one_line(run, model, files, which, spoil, message):
  path = files[['photo', 'mask'].index(which)]
  png(noise(channels=1)).save(path)
  spoil(path)
  refused(run, model, files, message)


def refused(run, model, args, message):
  """Checks that the error is one line, no file changes, no model is loaded."""
  paths = [x for x in args if isinstance(x, pathlib.Path)]
  folder = paths[0].parent
  before = snapshot(folder)
  with pytest.raises(errors.UserError, match=message) as caught:
    run(*args)
  assert '\n' not in str(caught.value)
  assert snapshot(folder) == before
  assert not model.loaded


def _wrong_arguments(kind, photo, mask, out):
  folder = photo.parent
  if kind == 'size':
    png(np.zeros((40, 60), np.uint8)).save(mask)
  elif kind == 'no hole':
    png(np.zeros((40, 50), np.uint8)).save(mask)
  elif kind == 'red':
    red = np.uint8(hole_of())[..., None] * np.uint8([255, 0, 0])
    png(red).save(mask)
  elif kind == 'clear layer':
    layer = np.uint8(hole_of())[..., None] * np.uint8([0, 0, 0, 255])
    layer[..., 0] = 255
    png(layer).save(mask)
  elif kind == 'inverted white':
    png(np.full((40, 50), 255, np.uint8)).save(mask)
    return ['--invert-mask', photo, mask, out]
  elif kind == 'all hole':
    png(np.full((40, 50), 255, np.uint8)).save(mask)
  elif kind == 'one pixel':
    Image.new('RGB', (1, 1)).save(photo)
    Image.new('L', (1, 1), 255).save(mask)
  elif kind == 'too long':
    Image.new('RGB', (1, 70000)).save(photo)
    return ['--expand=left=1', photo, folder / 'a.jpg']
  elif kind == 'no folder':
    out = folder / 'none' / 'out.png'
  elif kind == 'a file as folder':
    out = mask / 'out.png'
  elif kind == 'folder':
    out.mkdir()
  elif kind in ('out', 'out.gif', 'out.txt'):
    out = folder / kind
  elif kind == 'photo as result':
    out = photo
  elif kind == 'mask as result':
    out = mask
  elif kind == 'photo as mask':
    return [photo, photo, out]
  elif kind == 'copy as mask':
    png(noise()).convert('RGBA').save(mask)
  elif kind == 'soft link':
    out.symlink_to(photo)
  elif kind == 'hard link':
    out.hardlink_to(photo)
  elif kind == 'long name':
    out = folder / f'{"a" * 300}.png'
  elif kind == 'opaque':
    return [photo, out]
  elif kind in ('avoid', 'source', 'explain', 'variants', 'refine'):
    value = {'variants': '2', 'refine': 'true'}.get(kind, folder / 'x.png')
    return ['--notexture', f'--{kind}={value}', photo, mask, out]
  elif kind.startswith('--'):
    return [kind, photo, mask, out]
  elif kind == 'inverted nothing':
    return ['--invert_mask', photo, out]
  elif kind == 'two guides':
    return ['--guide=a', '--workdir=b', photo, mask, out]
  elif kind == 'source of another size':
    png(np.full((40, 60), 255, np.uint8)).save(folder / 'source.png')
    return [f'--source={folder / "source.png"}', photo, mask, out]
  elif kind == 'empty source':
    png(np.zeros((40, 50), np.uint8)).save(folder / 'source.png')
    return [f'--source={folder / "source.png"}', photo, mask, out]
  elif kind == 'empty avoid':
    png(np.zeros((40, 50), np.uint8)).save(folder / 'avoid.png')
    return [f'--avoid={folder / "avoid.png"}', photo, mask, out]
  elif kind == 'photo as source':
    return [f'--source={photo}', photo, mask, out]
  elif kind == 'a folder as source':
    return [f'--source={folder}', photo, mask, out]
  elif kind == 'source as result':
    png(np.full((40, 50), 255, np.uint8)).save(out)
    return [f'--source={out}', photo, mask, out]
  elif kind == 'result as explanation':
    return [f'--explain={out}', photo, mask, out]
  elif kind == 'the whole path of the result as explanation':
    return [f'--explain={folder / "x" / ".." / out.name}', photo, mask, out]
  elif kind == 'a link to the result as explanation':
    (folder / 'link.png').symlink_to(out)
    return [f'--explain={folder / "link.png"}', photo, mask, out]
  elif kind == 'variants in a folder':
    return ['--variants=2', photo, mask, pathlib.Path('.')]
  elif kind == 'explanations in a folder':
    return ['--variants=2', '--explain=.', photo, mask, out]
  elif kind == 'long source':
    return [f'--source={"a" * 300}.png', photo, mask, out]
  elif kind == 'photo as explanation':
    return [f'--explain={photo}', photo, mask, out]
  elif kind == 'no photos':
    return [folder / 'none', mask, folder / 'results']
  elif kind == 'no masks':
    return [folder, folder / 'none', folder / 'results']
  elif kind == 'a folder as result':
    out = folder / 'results'
    out.mkdir()
  elif kind == 'explained folder':
    (folder / 'photos').mkdir()
    return ['--explain=why.png', folder / 'photos', mask, folder / 'results']
  elif kind == 'photo as variant':
    photo.rename(folder / 'out_2.png')
    return ['--variants=2', folder / 'out_2.png', mask, out]
  elif kind == 'one name':
    return [photo]
  elif kind == 'four names':
    return [photo, mask, out, out]
  elif kind == 'empty name':
    return ['', mask, folder / 'results']
  return [photo, mask, out]


@pytest.mark.parametrize(
  ('kind', 'message'),
  [
    ('size', 'the photo is 50x40 pixels, the mask .* 60x40; bring'),
    ('no hole', r'mask\.png has no hole: its largest brightness is 0 of 255'),
    ('clear layer', '76 of 255, and transparent pixels are black; paint it wh'),
    ('red', 'its largest brightness is 76 of 255; paint it white'),
    ('inverted white', 'its smallest brightness is 255 of 255; paint it black'),
    ('all hole', 'the mask marks the whole image as the hole'),
    ('one pixel', 'the mask marks the whole image as the hole'),
    ('too long', 'JPEG has room for 65500 a side'),
    ('no folder', 'out.png cannot be written: No such file'),
    ('a file as folder', 'out.png cannot be written: Not a directory'),
    ('folder', r'out\.png is a folder; name a file'),
    ('out', 'has no type that can be written; end its name on one of: .jpeg'),
    ('out.gif', 'has no type that can be written'),
    ('out.txt', 'has no type that can be written'),
    ('photo as result', 'would overwrite an input'),
    ('mask as result', 'would overwrite an input'),
    ('photo as mask', r'the mask .*photo\.png is the photo itself'),
    ('copy as mask', r'the mask .*mask\.png is the photo itself'),
    ('soft link', 'would overwrite an input'),
    ('hard link', 'would overwrite an input'),
    ('long name', 'File name too long'),
    ('opaque', 'has no transparent pixels to fill; name a mask'),
    ('--expand=left', "--expand has 'left'; wanted pixels by side"),
    ('--expand=left=-3', "--expand has 'left=-3'"),
    ('--expand=front=3', "--expand has 'front=3'"),
    ('--expand=left=99999999999', 'megapixels: expand it by less'),
    ('--expand=left=3,left=4', '--expand has left twice'),
    ('source', 'found --source and --notexture'),
    ('avoid', 'found --avoid and --notexture'),
    ('explain', 'found --explain and --notexture'),
    ('variants', 'found --variants and --notexture'),
    ('refine', 'found --refine and --notexture'),
    ('inverted nothing', 'found --invert_mask without a mask'),
    ('two guides', 'found --guide and --workdir'),
    ('source of another size', 'photo is 50x40 pixels, the mask .*source.png'),
    ('empty source', 'source=.*source.png marks nothing; paint it white where'),
    ('empty avoid', 'avoid=.*avoid.png marks nothing'),
    (
      'photo as source',
      'is the photo itself.*white where pixels may be copied',
    ),
    ('a folder as source', 'source=.* is a folder; name a mask file'),
    ('--source=none.png', 'source=none.png does not exist; name a mask file'),
    ('source as result', 'would overwrite an input'),
    ('result as explanation', '--explain=.*out.png is the result'),
    (
      'the whole path of the result as explanation',
      '--explain=.*out.png is the result',
    ),
    ('a link to the result as explanation', '--explain=.*link.png is the res'),
    ('variants in a folder', 'the result . is a folder; name a file'),
    ('explanations in a folder', 'the result . is a folder; name a file'),
    ('long source', 'a.png: File name too long'),
    ('photo as explanation', 'would overwrite an input'),
    ('no photos', r'the photo .*none does not exist'),
    ('no masks', r'the mask .*none does not exist'),
    ('a folder as result', 'results is a folder; name a file'),
    ('explained folder', '--explain=why.png and the folder .* for one photo'),
    ('--explain=why.gif', 'why.gif has no type that can be written'),
    ('photo as variant', 'out_2.png would overwrite an input'),
    ('one name', 'found 1 file names, wanted photo, mask and result'),
    ('four names', 'found 4 file names'),
    ('empty name', 'a file name is empty; name photo, mask and result'),
  ],
)
def test_what_cannot_be_is_one_line(run, model, files, kind, message):
  refused(run, model, _wrong_arguments(kind, *files), message)


def test_a_current_folder_that_is_gone_is_named(
  run, model, files, tmp_path, monkeypatch
):
  gone = tmp_path / 'gone'
  gone.mkdir()
  monkeypatch.chdir(gone)
  gone.rmdir()
  photo, mask, _ = files
  message = 'the current folder does not exist any more'
  refused(run, model, [photo, mask, 'out.png'], message)
