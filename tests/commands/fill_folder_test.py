"""The command that fills photos: folders."""

import os
import pathlib
import time

import numpy as np
from PIL import Image
import pytest

from inpaint_jax.system import errors
from tests.commands.filling import (
  call,
  GREY,
  hole_of,
  NAMES,
  noise,
  pixels_of,
  png,
  snapshot,
)


def test_a_folder_of_photos_and_one_of_masks(run, model, folders, capsys):
  photos, _, out = folders
  before = snapshot(photos.parent)
  run(*folders)
  assert sorted(os.listdir(out)) == ['a.jpg', 'b \xe9.png', 'c.png']
  for name in os.listdir(out):
    filled = pixels_of(out / name)[10:20, 10:30]
    assert filled.mean() == pytest.approx(GREY * 255, abs=3)
  said = capsys.readouterr()
  assert f'filled 3 photos, results in {out}\n' in said.out
  assert 'passed by 1 other file (notes.txt)\n' in said.out
  assert 'inpainting' in said.err
  assert f'{photos / "c.gif"}: its palette' in said.out
  assert before.items() <= snapshot(photos.parent).items()
  assert len(model.loaded) == 1


def test_a_folder_of_photos_and_masks(run, folders, capsys):
  photos, _, out = folders
  for name in NAMES:
    hole = Image.fromarray(np.uint8(hole_of()) * 255)
    hole.save(photos / f'{pathlib.Path(name).stem}_mask.png')
  run(photos, photos, out)
  assert sorted(os.listdir(out)) == ['a.jpg', 'b \xe9.png', 'c.png']
  after = pixels_of(out / 'b \xe9.png')
  np.testing.assert_array_equal(after[~hole_of()], noise()[~hole_of()])
  assert (after[hole_of()] == round(GREY * 255)).all()
  assert 'left out 3 masks (a_mask.png, b' in capsys.readouterr().out


def test_a_folder_without_masks(run, folders):
  photos, _, out = folders
  run('--expand=top=4', photos, out)
  assert Image.open(out / 'a.jpg').size == (50, 44)


def test_flags_that_do_not_fit_are_one_line(run, folders):
  photos, _, out = folders
  with pytest.raises(errors.UserError, match='expand it at top and bottom'):
    run('--wrap', '--expand=left=4', photos, out)
  assert not out.exists()


def test_bad_files_are_named_at_the_end(run, model, folders, capsys):
  photos, masks, out = folders
  photo = photos / 'a.jpg'
  photo.write_bytes(photo.read_bytes()[:-900])
  (masks / 'c.png').unlink()
  png(noise()).save(photos / 'd.jpg')
  for name in ('d.png', 'd.tif'):
    png(np.uint8(hole_of()) * 255).save(masks / name)
  png(noise()).save(photos / 'b \xe9.gif')
  with pytest.raises(SystemExit) as caught:
    run(*folders)
  assert caught.value.code == 1
  said = capsys.readouterr()
  lines = said.err[said.err.index('error: ') :].splitlines()
  assert lines[0] == 'error: 4 could not be filled:'
  assert lines[1].startswith(f'  {photos / "a.jpg"} cannot be read: ')
  assert lines[2].startswith(f'  {photos / NAMES[1]}: another photo has')
  assert lines[3] == (
    f'  {photos / "c.gif"}: there is no mask for it, such as c.png '
    'or c_mask.png'
  )
  assert lines[4] == (
    f'  {photos / "d.jpg"}: there are 2 masks for it: d.png, d.tif; keep one'
  )
  assert 'filled 1 photo, ' in said.out
  assert os.listdir(out) == ['b \xe9.png']


def test_what_is_done_is_skipped(run, model, folders, capsys):
  _, masks, out = folders
  run(*folders)
  first = {x: x.stat().st_mtime_ns for x in out.iterdir()}

  def changed():
    return {x.name for x in out.iterdir() if x.stat().st_mtime_ns != first[x]}

  capsys.readouterr()
  run(*folders)
  assert changed() == set()
  assert '3 were done before; --overwrite does them' in capsys.readouterr().out
  assert len(model.loaded) == 1
  later = time.time_ns() + 10**9
  os.utime(masks / 'a.png', ns=(later, later))
  run(*folders)
  assert changed() == {'a.jpg'}
  (out / 'c.png').unlink()
  run(*folders)
  assert (out / 'c.png').exists()
  run('--overwrite', *folders)
  assert changed() == {'a.jpg', 'b \xe9.png', 'c.png'}


def test_variants_of_a_folder(run, model, folders):
  out = folders[2]
  run('--variants=2', *folders)
  assert sorted(os.listdir(out)) == [
    *('a_1.jpg', 'a_2.jpg', 'b \xe9_1.png', 'b \xe9_2.png'),
    *('c_1.png', 'c_2.png'),
  ]
  (out / 'a_2.jpg').unlink()
  model.calls.clear()
  run('--variants=2', *folders)
  assert [call['seed'] for call in model.calls] == [0, 1]
  assert len(os.listdir(out)) == 6


def test_variants_are_not_taken_for_results_of_other_photos(
  run, model, folders
):
  photos, masks, out = folders
  png(noise()).save(photos / 'a_2.jpg')
  run(photos, masks / 'other.png', out)
  before = snapshot(out)
  for flags in (['--variants=2'], ['--variants=2', '--overwrite']):
    with pytest.raises(errors.UserError, match=r'a_2\.jpg has; rename one'):
      run(*flags, photos, masks / 'other.png', out)
  assert snapshot(out) == before


def test_a_single_photo_is_done_again(run, model, files):
  run(*files)
  run(*files)
  assert len(model.calls) == 2


def test_a_model_that_is_none_ends_it_all(folders, tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    call(f'--workdir={tmp_path / "none"}', *folders)
