"""The command that fills photos: one photo."""

import contextlib
import io
import os
import sys

import numpy as np
from PIL import Image
import pytest

from inpaint_jax.commands import fill
from inpaint_jax.system import errors
from tests.commands.filling import (
  call,
  GREY,
  hole_of,
  noise,
  pixels_of,
  png,
)


@pytest.mark.slow
def test_known_pixels_are_kept_and_holes_filled(released, files, capsys):
  """This uses a model, not its stand-in."""
  photo, mask, out = files
  call(f'--guide={released}', '--feather=0', photo, mask, out)
  before, after = pixels_of(photo), pixels_of(out)
  np.testing.assert_array_equal(after[~hole_of()], before[~hole_of()])
  assert (after[hole_of()] != before[hole_of()]).any()
  assert capsys.readouterr().out == f'wrote {out}; 10.0% of it was hole\n'
  assert sorted(os.listdir(out.parent)) == ['mask.png', 'out.png', 'photo.png']


@pytest.mark.slow
def test_a_long_thin_photo(released, tmp_path):
  photo = np.full((1, 20000, 3), 90, np.uint8)
  mask = np.zeros((1, 20000), np.uint8)
  mask[0, 5000:5003] = mask[0, 15000:15300] = 255
  # The photo is one pixel wide.
  paths = [tmp_path / name for name in ('a.png', 'm.png', 'out.png')]
  Image.fromarray(photo.swapaxes(0, 1)).save(paths[0])
  Image.fromarray(mask.swapaxes(0, 1)).save(paths[1])
  call(f'--guide={released}', *paths)
  after = pixels_of(paths[2])
  assert after.shape == (20000, 1, 3)
  assert (after[:4900] == 90).all()


def test_a_run_that_is_none(files, tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    call(f'--workdir={tmp_path}', *files)


def test_flags_reach_the_model_if_they_are_given(run, model, files):
  run(*files)
  run('--feather=7', '--notexture', '--norefine', '--seed=-3', '--wrap', *files)
  usual = {'feather': 0, 'texture': True, 'seed': 0, 'wrap': False}
  usual |= {'refine': True}
  given = {'feather': 7, 'texture': False, 'seed': -3, 'wrap': True}
  given |= {'refine': False}
  assert model.calls == [usual, given]
  run('--guide=encoder-decoder-landscapes', '--backend=onnx', *files)
  run('--workdir=runs/a', *files)
  assert model.loaded == [
    ('none', 'auto'),
    ('none', 'auto'),
    ('encoder-decoder-landscapes', 'onnx'),
    ('runs/a', 'auto'),
  ]


@pytest.mark.parametrize('feather', [0, 1, 300])
def test_a_line_says_that_much_was_blended(files, capsys, feather):
  photo, _, out = files
  call('--norefine', f'--feather={feather}', *files)
  changed = (pixels_of(photo) != pixels_of(out)).any(axis=2) & ~hole_of()
  assert (changed.mean() > 0.1) == (feather == 300)
  share = f'{changed.mean():.0%} of the photo'
  line = f'{photo}: --feather={feather} blended another {share}\n'
  lines = line if feather == 300 else ''
  shown = capsys.readouterr().out
  assert shown == f'{lines}wrote {out}; 10.0% of it was hole\n'


def test_variants_have_one_line_on_the_feather(files, capsys):
  call('--norefine', '--feather=300', '--variants=3', *files)
  assert capsys.readouterr().out.count('blended') == 1


def test_what_is_copied_and_what_is_not(run, model, files):
  source, avoid = np.zeros((2, 40, 50), np.uint8)
  source[:, :30] = 255
  avoid[30:35] = 255
  folder = files[0].parent
  png(source).save(folder / 'source.png')
  # A mask of the photo's aspect is resized to the photo's size.
  png(avoid).resize((100, 80), 0).save(folder / 'avoid.png')
  run(f'--source={folder / "source.png"}', *files)
  run(
    '--expand=left=4,bottom=2',
    f'--source={folder / "source.png"}',
    f'--avoid={folder / "avoid.png"}',
    *files,
  )
  first, second = model.calls
  np.testing.assert_array_equal(first['source'], source > 0)
  assert 'avoid' not in first
  margins = [(0, 2), (4, 0)]
  for name, mask in (('source', source), ('avoid', avoid)):
    np.testing.assert_array_equal(second[name], np.pad(mask > 0, margins))


def test_variants_have_the_next_seeds(run, model, files):
  folder = files[0].parent
  run('--variants=3', '--seed=5', f'--explain={folder / "why.jpg"}', *files)
  assert [call['seed'] for call in model.calls] == [5, 6, 7]
  assert sorted(os.listdir(folder)) == [
    *('mask.png', 'out_1.png', 'out_2.png', 'out_3.png', 'photo.png'),
    *('why_1.jpg', 'why_2.jpg', 'why_3.jpg'),
  ]
  assert len(model.loaded) == 1


def test_a_picture_of_where_it_was_copied_from(run, files):
  out = files[2]
  explained = out.with_name('why.png')
  run(f'--explain={explained}', *files)
  result, drawn = pixels_of(out), pixels_of(explained)
  assert drawn.shape == result.shape
  assert (drawn[11:19, 11:29] != result[11:19, 11:29]).any(axis=2).all()
  np.testing.assert_array_equal(result[~hole_of()], noise()[~hole_of()])


class Terminal(io.StringIO):
  def isatty(self):
    return True


@pytest.mark.parametrize(
  ('stream', 'shown'), [(Terminal, True), (io.StringIO, False)]
)
def test_progress_is_shown_on_a_terminal(monkeypatch, stream, shown):
  monkeypatch.setattr(sys, 'stderr', stream())
  with fill.progress_bar('a.png', delay=0) as progress:
    progress(0.5)
  assert ('a.png: ' in sys.stderr.getvalue()) == shown


def test_variants_share_a_bar(run, files, monkeypatch):
  shares = []
  bar = contextlib.nullcontext(shares.append)
  monkeypatch.setattr(fill, 'progress_bar', lambda name: bar)
  run('--variants=2', *files)
  assert shares == [0.25, 0.75]


@pytest.mark.parametrize(
  'flag', ['--invert-mask', '--invert_mask', '--dilate=2']
)
def test_what_becomes_of_the_mask(run, files, flag):
  hole = ~hole_of()
  if flag == '--dilate=2':
    hole = hole_of()
    hole[8:22, 8:32] = True
  run(flag, *files)
  after = pixels_of(files[2])
  np.testing.assert_array_equal(after[~hole], noise()[~hole])
  assert (after[hole] == round(GREY * 255)).all()


@pytest.mark.parametrize('flag', ['--list-models', '--list_models'])
def test_models_are_listed(run, capsys, flag):
  run(flag)
  assert 'unet-landscapes' in capsys.readouterr().out.splitlines()


def test_a_mask_that_may_be_inverted_is_told(run, files, capsys):
  hole = np.ones((40, 50), bool)
  hole[10:15, 10:20] = False
  for mask, told in ((hole, True), (~hole, False)):
    png(np.uint8(mask) * 255).save(files[1])
    run(*files)
    assert ('; if the hole' in capsys.readouterr().out) == told


def test_a_photo_without_a_mask(run, files):
  photo, _, out = files
  alpha = np.full((40, 50), 255, np.uint8)
  alpha[hole_of()] = 0
  png(np.dstack([noise(), alpha])).save(photo)
  run('--expand', 'left=8,top=3', '--expand=bottom=1', photo, out)
  hole = np.ones((44, 58), bool)
  hole[3:43, 8:] = hole_of()
  after = pixels_of(out)
  np.testing.assert_array_equal(after[~hole][:, :3], noise()[~hole_of()])
  assert (after[hole][:, :3] == round(GREY * 255)).all()
  assert (after[..., 3] == 255).all()


@pytest.mark.parametrize('kind', ['transparent', '--expand=top=3', 'grey'])
def test_a_result_is_not_replaced_where_its_name_may_be_another(
  run, files, kind
):
  photo, mask, out = files
  args = [photo, mask, out]
  if kind == 'grey':
    png(noise(channels=1)).save(mask)
  else:
    image = png(noise())
    image.putalpha(png(255 - np.uint8(hole_of()) * 255))
    image.save(photo)
    args = [*[kind][: kind.startswith('--')], photo, out]
  out.write_text('mine')
  with pytest.raises(errors.UserError, match=r'out\.png exists, .*overwrite'):
    run(*args)
  assert out.read_text() == 'mine'
  run('--overwrite', *args)
  assert out.read_bytes()[1:4] == b'PNG'


def test_16_bits_and_metadata_survive(run, files):
  photo, mask, out = files
  grey = noise(channels=1).astype(np.uint16) * 251
  image = Image.frombytes('I;16', (50, 40), grey.tobytes())
  image.save(photo, dpi=(300, 300))
  run(photo, mask, out)
  after = Image.open(out)
  assert after.mode == 'I;16'
  assert after.info['dpi'] == pytest.approx((300, 300), abs=0.01)
  values = np.asarray(after)
  np.testing.assert_array_equal(values[~hole_of()], grey[..., 0][~hole_of()])
  assert (values[hole_of()] == round(GREY * 65535)).all()


@pytest.mark.parametrize(
  ('name', 'mode', 'save', 'line'),
  [
    ('photo.gif', 'RGB', {'save_all': True}, 'it holds 2 images'),
    ('photo.png', 'RGB', {'grey_mask': True}, 'mask.png is not black and'),
    ('photo.jpg', 'CMYK', {}, 'CMYK'),
    ('photo.png', 'RGBA', {'alpha': True}, 'JPEG has no room for transparency'),
  ],
)
def test_what_a_user_may_not_expect_is_a_line(
  run, files, capsys, name, mode, save, line
):
  photo, mask, out = files
  photo, out = photo.with_name(name), out.with_suffix('.jpg')
  image = png(noise()).convert(mode)
  if save.pop('alpha', False):
    image.putalpha(100)
  if save.get('save_all'):
    save['append_images'] = [png(noise()[::-1])]
  if save.pop('grey_mask', False):
    png(noise(channels=1)).save(mask)
  image.save(photo, **save)
  before = photo.read_bytes()
  run(photo, mask, out)
  said = capsys.readouterr().out
  assert f'{photo}: ' in said
  assert line in said
  assert Image.open(out).size == (50, 40)
  assert photo.read_bytes() == before
