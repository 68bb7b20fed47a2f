"""The command that fills photos: flags, results, lines, and what it refuses."""

import contextlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import time

from absl import flags
from absl.testing import flagsaver
import numpy as np
from PIL import Image
import pytest
from random_models import create_model

from inpaint_jax import inference
from inpaint_jax.commands import fill
from inpaint_jax.release import released_file
from inpaint_jax.system import errors

ROOT = pathlib.Path(__file__).parents[2]
# What the stand-in for a model fills holes with, of the largest value.
GREY = 0.3


class StandIn:
  """Fills holes with grey, and remembers what it was asked."""

  def __init__(self):
    self.loaded = []
    self.calls = []

  def load(self, source, backend):
    self.loaded.append((source, backend))
    return self

  def __call__(self, image, mask, **options):
    assert image.shape[:2] == mask.shape
    assert mask.dtype == bool
    options.pop('progress')(0.5)
    self.calls.append(options)
    result = image.copy()
    largest = np.iinfo(image.dtype).max
    result[mask, :3] = round(GREY * largest)
    result[mask, 3:] = largest
    return result

  def explain(self, image, mask, **options):
    origins = np.full((*mask.shape, 2), -1, np.int32)
    origins[mask] = 0
    return inference.Filling(self(image, mask, **options), origins)


@pytest.fixture
def model(monkeypatch):
  """Stands in for a model, which would take seconds."""
  model = StandIn()
  monkeypatch.setattr(inference, 'load', model.load)
  return model


@pytest.fixture
def run(model):
  """Calls the command in this process, with a model that paints grey."""
  return call


def call(*args):
  with flagsaver.flagsaver():
    fill.main(flags.FLAGS(['inpaint-jax', *map(str, args)]))


@pytest.fixture(scope='module')
def released(tmp_path_factory):
  """The path of a released model, with random weights."""
  path = tmp_path_factory.mktemp('released') / 'x.safetensors'
  released_file.write(path, create_model(), {'name': 'x'})
  return path


def hole_of(height=40, width=50):
  hole = np.zeros((height, width), bool)
  hole[10:20, 10:30] = True
  return hole


def noise(height=40, width=50, channels=3):
  shape = (height, width, channels)
  return np.random.RandomState(0).randint(0, 256, shape, np.uint8)


def png(array):
  return Image.fromarray(np.squeeze(array))


@pytest.fixture
def files(tmp_path):
  """A photo, its mask, and a name for the result, in a folder of its own."""
  folder = tmp_path / 'my photos \xe9'
  folder.mkdir()
  png(noise()).save(folder / 'photo.png')
  png(np.uint8(hole_of()) * 255).save(folder / 'mask.png')
  return folder / 'photo.png', folder / 'mask.png', folder / 'out.png'


def pixels_of(path):
  return np.asarray(Image.open(path))


def snapshot(folder):
  return {x: x.read_bytes() for x in folder.rglob('*') if x.is_file()}


# One photo.


@pytest.mark.slow
def test_known_pixels_are_kept_and_holes_filled(released, files, capsys):
  """With a model, not its stand-in."""
  photo, mask, out = files
  call(f'--model={released}', '--feather=0', photo, mask, out)
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
  # The photo stands on its end.
  paths = [tmp_path / name for name in ('a.png', 'm.png', 'out.png')]
  Image.fromarray(photo.swapaxes(0, 1)).save(paths[0])
  Image.fromarray(mask.swapaxes(0, 1)).save(paths[1])
  call(f'--model={released}', *paths)
  after = pixels_of(paths[2])
  assert after.shape == (20000, 1, 3)
  assert (after[:4900] == 90).all()


def test_a_run_that_is_none(files, tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    call(f'--workdir={tmp_path}', *files)


def test_flags_reach_the_model_if_they_are_given(run, model, files):
  run(*files)
  run('--feather=7', '--notexture', '--seed=-3', '--wrap', *files)
  usual = {'feather': 0, 'texture': True, 'seed': 0, 'wrap': False}
  given = {'feather': 7, 'texture': False, 'seed': -3, 'wrap': True}
  assert model.calls == [usual, given]
  run('--guide=encoder-decoder-landscapes', '--backend=onnx', *files)
  run('--model=unet-landscapes', *files)
  run('--workdir=runs/a', *files)
  assert model.loaded == [
    ('none', 'auto'),
    ('none', 'auto'),
    ('encoder-decoder-landscapes', 'onnx'),
    ('unet-landscapes', 'auto'),
    ('runs/a', 'auto'),
  ]


def test_what_is_copied_and_what_is_not(run, model, files):
  source, avoid = np.zeros((2, 40, 50), np.uint8)
  source[:, :30] = 255
  avoid[30:35] = 255
  folder = files[0].parent
  png(source).save(folder / 'source.png')
  # Of the photo's aspect, and as large in what follows.
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


def test_a_photo_without_a_mask(run, files):
  photo, _, out = files
  alpha = np.full((40, 50), 255, np.uint8)
  alpha[hole_of()] = 0
  png(np.dstack([noise(), alpha])).save(photo)
  run('--expand', 'left=8,top=3,bottom=1', photo, out)
  hole = np.ones((44, 58), bool)
  hole[3:43, 8:] = hole_of()
  after = pixels_of(out)
  np.testing.assert_array_equal(after[~hole][:, :3], noise()[~hole_of()])
  assert (after[hole][:, :3] == round(GREY * 255)).all()
  assert (after[..., 3] == 255).all()


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


# What is refused.


@pytest.mark.parametrize('which', ['photo', 'mask'])
@pytest.mark.parametrize(
  ('spoil', 'message'),
  [
    (lambda path: path.write_bytes(b'hello'), 'not an image'),
    (lambda path: path.write_bytes(path.read_bytes()[:-900]), 'truncated'),
    (lambda path: path.unlink(), 'No such file'),
    (lambda path: (path.unlink(), os.mkfifo(path)), 'not a regular file'),
    (lambda path: (path.unlink(), path.mkdir()), 'folder|not a regular file'),
  ],
)
def test_a_bad_file_is_one_line(run, model, files, which, spoil, message):
  path = files[['photo', 'mask'].index(which)]
  png(noise(channels=1)).save(path)
  spoil(path)
  refused(run, model, files, message)


def refused(run, model, args, message):
  """Sees that there is one line, and nothing else in the world changes."""
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
  elif kind == 'a folder as source':
    return [f'--source={folder}', photo, mask, out]
  elif kind == 'source as result':
    png(np.full((40, 50), 255, np.uint8)).save(out)
    return [f'--source={out}', photo, mask, out]
  elif kind == 'result as explanation':
    return [f'--explain={out}', photo, mask, out]
  elif kind == 'photo as explanation':
    return [f'--explain={photo}', photo, mask, out]
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
  return [photo, mask, out]


@pytest.mark.parametrize(
  ('kind', 'message'),
  [
    ('size', 'the photo is 50x40 pixels, the mask .* 60x40; bring'),
    ('no hole', 'the mask has no hole'),
    ('all hole', 'the mask is nothing but hole'),
    ('one pixel', 'the mask is nothing but hole'),
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
    ('--expand=left=99999999999', 'megapixels: extend it by less'),
    ('inverted nothing', 'found --invert_mask without a mask'),
    ('two guides', 'found --guide and --workdir'),
    ('source of another size', 'photo is 50x40 pixels, the mask .*source.png'),
    ('empty source', 'source=.*source.png marks nothing; paint it white where'),
    ('empty avoid', 'avoid=.*avoid.png marks nothing'),
    ('a folder as source', 'source=.* is a folder; name a mask file'),
    ('--source=none.png', 'source=none.png does not exist; name a mask file'),
    ('source as result', 'would overwrite an input'),
    ('result as explanation', '--explain=.*out.png is the result'),
    ('photo as explanation', 'would overwrite an input'),
    ('explained folder', '--explain=why.png and the folder .* for one photo'),
    ('--explain=why.gif', 'why.gif has no type that can be written'),
    ('photo as variant', 'out_2.png would overwrite an input'),
    ('one name', 'found 1 file names, wanted photo, mask and result'),
    ('four names', 'found 4 file names'),
  ],
)
def test_what_cannot_be_is_one_line(run, model, files, kind, message):
  refused(run, model, _wrong_arguments(kind, *files), message)


# Folders.


NAMES = ('a.jpg', 'b \xe9.png', 'c.gif')


@pytest.fixture
def folders(tmp_path):
  """Photos, masks, and a name for the results."""
  photos, masks = tmp_path / 'photos', tmp_path / 'masks'
  photos.mkdir()
  masks.mkdir()
  for name in NAMES:
    png(noise()).save(photos / name)
  for name in ('a.png', 'b \xe9.jpg', 'c.png', 'other.png'):
    png(np.uint8(hole_of()) * 255).save(masks / name)
  (photos / 'notes.txt').write_text('hello')
  (photos / '.hidden.jpg').write_text('hello')
  (photos / 'deeper.jpg').mkdir()
  return photos, masks, tmp_path / 'new' / 'results'


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
  assert 'filled 1 photos' in said.out
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


def test_a_single_photo_is_done_again(run, model, files):
  run(*files)
  run(*files)
  assert len(model.calls) == 2


def test_a_model_that_is_none_ends_it_all(folders, tmp_path):
  with pytest.raises(errors.UserError, match='holds no run'):
    call(f'--workdir={tmp_path / "none"}', *folders)


# As a process.

_REPORT_IMPORTS = """
import atexit, runpy, sys
heavy = sys.argv[1].split(',')
sys.argv = ['scripts/inpaint.py', *sys.argv[2:]]
atexit.register(
  lambda: print('imported:', *[x for x in heavy if x in sys.modules])
)
runpy.run_path('scripts/inpaint.py', run_name='__main__')
"""


def process(code, *args):
  return subprocess.run(
    [sys.executable, '-c', code, *map(str, args)],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )


@pytest.mark.slow
def test_a_process_imports_no_training(released, files):
  photo, mask, out = files
  heavy = (
    'inpaint_jax.training.train,inpaint_jax.datasets,tensorboardX,'
    'tensorflow_datasets,matplotlib'
  )
  result = process(
    _REPORT_IMPORTS, heavy, f'--model={released}', photo, mask, out
  )
  assert result.returncode == 0, result.stderr
  assert result.stderr == ''
  assert result.stdout == (f'wrote {out}; 10.0% of it was hole\nimported:\n')


@pytest.mark.slow
def test_without_a_model_jax_is_not_imported(files):
  photo, mask, out = files
  heavy = 'jax,flax,orbax,onnxruntime,inpaint_jax.release.zoo'
  result = process(_REPORT_IMPORTS, heavy, photo, mask, out)
  assert result.stdout == f'wrote {out}; 10.0% of it was hole\nimported:\n'
  assert result.stderr == ''
  after = pixels_of(out)
  np.testing.assert_array_equal(after[~hole_of()], noise()[~hole_of()])


@pytest.mark.slow
def test_errors_of_a_process_are_one_line(files):
  photo, mask, out = files
  script = [sys.executable, 'scripts/inpaint.py']
  for args, code, text in (
    ([photo, mask, photo], 1, 'error: the result'),
    (['--dilate=-1', photo, mask, out], 2, 'error: '),
  ):
    result = subprocess.run(
      [*script, *map(str, args)], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == code
    assert result.stderr.startswith(text)
    assert result.stderr.count('\n') == 1


_SLOW_NET = """
import sys, time
from inpaint_jax.system import command_line
from inpaint_jax import inference
from inpaint_jax.commands import fill
def slow(image, mask, **_):
  print('working', flush=True)
  time.sleep(60)
inference.load = lambda *_, **__: slow
command_line.run(fill.main)
"""


@pytest.mark.slow
def test_ctrl_c_is_one_line(folders):
  started = subprocess.Popen(
    [sys.executable, '-c', _SLOW_NET, *map(str, folders)],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  with contextlib.closing(started.stdout):
    assert started.stdout.readline() == 'working\n'
    started.send_signal(signal.SIGINT)
    said = started.stderr.read()
    started.stderr.close()
  assert started.wait() == 130
  assert 'Traceback' not in said
  assert said.endswith('\ninterrupted\n')
  assert os.listdir(folders[2]) == []


_KILLED_WHILE_WRITING = """
import os, signal, sys
from inpaint_jax.photos import formats, picture_files
def write_half(file, *_):
  file.write(b'half')
  file.flush()
  os.kill(os.getpid(), signal.SIGKILL)
picture = picture_files.read(sys.argv[1])
formats.FORMATS['PNG'] = formats.FORMATS['PNG']._replace(encode=write_half)
picture_files.write(sys.argv[2], picture)
"""


@pytest.mark.slow
def test_a_kill_leaves_no_half_picture(files):
  photo, _, out = files
  out.write_bytes(b'old')
  result = process(_KILLED_WHILE_WRITING, photo, out)
  assert result.returncode == -signal.SIGKILL
  assert out.read_bytes() == b'old'
