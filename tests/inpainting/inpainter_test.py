"""inpainter.py: from models to filled images."""

import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from random_models import create_model

from inpaint_jax import inference
from inpaint_jax.inpainting import (
  inpainter as inpainter_lib,
  photo_filling,
  windows,
)
from inpaint_jax.photos.picture import Picture
from inpaint_jax.release import export, released_file
from inpaint_jax.system import errors


@pytest.fixture(scope='module')
def model():
  return create_model('encoder_decoder')


@pytest.fixture(scope='module')
def inpainter(model):
  return inference.Inpainter(inference.create_fill(model), 32)


def _grey(image, mask):
  """A model that paints grey, and is quick."""
  return np.full_like(image, 0.5)


@pytest.fixture
def quick():
  return inference.Inpainter(_grey, 32)


def _image(height, width, dtype=np.uint8):
  random = np.random.RandomState(height * width)
  return random.randint(0, np.iinfo(dtype).max + 1, (height, width, 3), dtype)


def _smooth_image(height, width, dtype=np.uint8):
  y, x = np.mgrid[:height, :width]
  waves = [np.sin(y / 31), np.cos(x / 43), np.sin((x + y) / 59)]
  levels = (0.5 + 0.4 * np.stack(waves, axis=-1)) * np.iinfo(dtype).max
  return levels.astype(dtype)


def _hills(height, width):
  """Hills, which cannot be guessed from beside a hole of the size of one."""
  y, x = np.sin(np.pi * np.mgrid[:height, :width] / 32) ** 2
  hills = 60 + 130 * np.stack([x * y, x * y, x * y * 0.5], axis=-1)
  return hills.astype(np.uint8)


def _around(hole, pixels):
  """The hole, grown by so many pixels in every direction."""
  grown = hole.copy()
  for y, x in zip(*np.nonzero(hole), strict=True):
    grown[
      max(y - pixels, 0) : y + pixels + 1, max(x - pixels, 0) : x + pixels + 1
    ] = True
  return grown


_SIZES = [(32, 32), (31, 33), (7, 5), (1, 40), (130, 60), (65, 201), (16, 16)]


@pytest.mark.parametrize('size', _SIZES)
@pytest.mark.parametrize(
  ('extent', 'texture', 'dtype'),
  [
    (1, True, np.uint8),
    (20, False, np.uint16),
    (150, False, np.uint8),
    (2, True, np.uint16),
  ],
)
def test_known_pixels_are_the_same_bit_for_bit(
  quick, size, extent, texture, dtype
):
  image, mask = _image(*size, dtype), np.zeros(size, np.uint8)
  mask[: size[0] // 2 + 1, 2 : 2 + extent] = 255
  mask[:, 0] = 0
  before = image.copy()
  result = quick(image, mask, feather=0, texture=texture)
  assert result.dtype == dtype
  assert result.shape == image.shape
  np.testing.assert_array_equal(result[mask == 0], image[mask == 0])
  np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
  ('feather', 'dtype'),
  [
    pytest.param(inpainter_lib.FEATHER, np.uint8, marks=pytest.mark.slow),
    (6, np.uint16),
  ],
)
def test_pixels_outside_the_feather_are_the_same(quick, feather, dtype):
  """Also where a window is reduced; and the feather is used."""
  image, hole = _image(1500, 1300, dtype), np.zeros((1500, 1300), bool)
  hole[250:1050, 150:950] = True
  hole[1250, 1250] = True
  result = quick(image, hole, feather=feather, texture=False)
  far = np.ones_like(hole)
  far[250 - feather : 1050 + feather, 150 - feather : 950 + feather] = False
  far[_around(hole & far, feather)] = False
  np.testing.assert_array_equal(result[far], image[far])
  assert (result[~far & ~hole] != image[~far & ~hole]).any()


def test_a_model_fills_holes_and_keeps_known_pixels(inpainter):
  image, mask = _image(60, 80), np.zeros((60, 80), bool)
  mask[20:32, 30:42] = True
  result = inpainter(image, mask, feather=0)
  np.testing.assert_array_equal(result[~mask], image[~mask])
  assert (result[mask] != image[mask]).any()


@pytest.mark.parametrize('texture', [False, True])
def test_what_the_hole_holds_does_not_matter(quick, texture):
  image, mask = _image(60, 80), np.zeros((60, 80), bool)
  mask[20:40, 20:45] = True
  other = image.copy()
  other[mask] = 0
  ours, theirs = (quick(x, mask, texture=texture) for x in (image, other))
  np.testing.assert_array_equal(ours, theirs)


def test_a_hole_far_away_changes_nothing(inpainter):
  image, near = _smooth_image(200, 400), np.zeros((200, 400), bool)
  near[50:70, 40:70] = True
  both = near.copy()
  both[100:160, 300:360] = True
  alone, together = (inpainter(image, x, texture=False) for x in (near, both))
  np.testing.assert_array_equal(alone[:, :150], together[:, :150])


def test_a_window_takes_filled_holes_for_known(quick, monkeypatch):
  """The last piece of a scratch sees no hole but its own."""
  image, mask = _image(64, 900), np.zeros((64, 900), bool)
  mask[30:32, 4:896] = True
  holes, cut = [], windows.cut_out

  def watched(image, missing, window):
    part, part_mask = cut(image, missing, window)
    holes.append(part_mask.sum())
    return part, part_mask

  monkeypatch.setattr(windows, 'cut_out', watched)
  quick(image, mask, texture=False)
  found = windows.find_windows(mask, 32)
  assert len(holes) == len(found) > 10
  (top, left, bottom, right), own = found[-1].box, np.zeros_like(mask)
  own[top:bottom, left:right] = found[-1].hole
  assert holes[-1] == cut(image, own, found[-1])[1].sum()


@pytest.mark.parametrize('right', [True, False])
def test_a_deep_hole_is_filled_from_coarse_to_fine(right):
  image, mask = _hills(256, 256), np.zeros((256, 256), bool)
  mask[78:178, 78:178] = True
  sizes = []

  def fill(part, part_mask):
    size = part.shape[1]
    sizes.append(size)
    assert part.dtype == part_mask.dtype == np.float32
    assert not (part * part_mask).any()
    truth = windows.resize(image / 255, size, size)
    return (truth if right else 1 - truth)[None]

  inference.Inpainter(fill, 32)(image, mask, texture=False)
  # A trial and the fill. A model that fails the trial is not run again.
  expected = [32, 32, 64, 64, 128, 128, 256, 256] if right else [32]
  assert sizes == expected


def test_the_gain_follows_from_the_trial():
  image, mask = _hills(96, 96), np.zeros((96, 96), bool)
  mask[32:64, 32:64] = True
  (window,) = windows.find_windows(mask, 96)
  truth, _ = windows.cut_out(image, np.zeros_like(mask), window)

  def error(fill):
    result = inference.Inpainter(fill, 96)(image, mask, texture=False)
    return np.abs(result[mask].astype(int) - image[mask]).mean()

  nothing = error(lambda part, part_mask: part)
  wrong = error(lambda part, part_mask: 1 - truth[None])
  right = error(lambda part, part_mask: truth[None])
  assert right < nothing / 2
  assert wrong < nothing * 1.1


def test_a_smooth_image_has_no_seam(quick):
  """Even if the model paints grey; at full resolution and reduced."""
  image, mask = _smooth_image(1000, 1100), np.zeros((1000, 1100), bool)
  mask[100:600, 200:700] = True
  mask[900:930, 1000:1030] = True
  result = quick(image, mask, texture=False).astype(int)
  for axis in (0, 1):
    rim = np.diff(mask.astype(int), axis=axis) != 0
    assert np.abs(np.diff(result, axis=axis))[rim].max() <= 8


@pytest.mark.parametrize('sides', ['left', 'all'])
def test_an_expanded_image_continues_smoothly(quick, sides):
  amounts = dict.fromkeys(['left', 'top', 'right', 'bottom'], 24)
  if sides == 'left':
    amounts = {'left': 40}
  image = _smooth_image(90, 120)
  wide, mask = photo_filling.expand_picture(
    Picture(image), np.zeros((90, 120), bool), **amounts
  )
  result = quick(wide.pixels, mask, texture=False).astype(int)
  inner = result[amounts.get('top', 0) :, amounts['left'] :][:90, :120]
  np.testing.assert_array_equal(inner, image)
  # Black was underneath; and neighbours differ little, corners included.
  assert result.min() > 15
  rim = np.diff(mask.astype(int), axis=1) != 0
  assert np.abs(np.diff(result, axis=1))[rim].max() <= 16


def test_sixteen_bits_are_finer_than_eight(quick):
  image, hole = _smooth_image(60, 60, np.uint16), np.zeros((60, 60), bool)
  hole[20:40, 20:40] = True
  fine = quick(image, hole, texture=False)[hole]
  coarse = quick((image // 257).astype(np.uint8), hole, texture=False)[hole]
  np.testing.assert_allclose(fine / 257, coarse, atol=1.5)
  assert len(np.unique(fine % 257)) > 50


def test_a_batch_gives_the_same_as_single_images(inpainter):
  images = [_image(40, 50), _image(64, 33, np.uint16), _image(40, 50)]
  masks = [np.zeros(x.shape[:2], bool) for x in images]
  for i, mask in enumerate(masks):
    mask[10 : 20 + i, 12:25] = True
  results = inpainter(images, masks, texture=False)
  assert isinstance(results, list)
  for image, mask, result in zip(images, masks, results, strict=True):
    alone = inpainter(image, mask, texture=False)
    np.testing.assert_array_equal(result, alone)
  stacked = inpainter(
    np.stack(images[::2]), np.stack(masks[::2]), texture=False
  )
  np.testing.assert_array_equal(stacked, np.stack(results[::2]))


def test_equal_seeds_give_equal_images(quick):
  image, hole = _image(48, 48), np.zeros((48, 48), bool)
  hole[20:28, 20:28] = True
  first, again, other = (quick(image, hole, seed=i) for i in (1, 1, 2))
  np.testing.assert_array_equal(first, again)
  assert (first != other).any()


class _Counted:
  """A module that counts how often it is compiled."""

  def __init__(self, model):
    self._model = model
    self.sizes = []

  def clone(self, **fields):
    del fields
    return self

  def apply(self, variables, image, mask, *, train):
    self.sizes.append(image.shape[:3])
    return self._model.apply(variables, image, mask, train=train)


@pytest.fixture
def counted(model):
  counted = _Counted(model.model)
  fill = inference.create_fill(model._replace(model=counted))
  return inference.Inpainter(fill, 32), counted.sizes


def test_one_compilation_for_each_working_size(counted):
  inpainter, sizes = counted
  for rows, columns in ((9, 9), (12, 12), (6, 40), (14, 90)):
    for height, width in ((150, 200), (160, 170)):
      image, mask = _image(height, width), np.zeros((height, width), bool)
      mask[5 : 5 + rows, 6 : 6 + columns] = True
      inpainter(image, mask, texture=False)
  assert sorted(sizes) == [(1, 32, 32), (1, 64, 64), (1, 128, 128)]


def test_threads_share_an_inpainter(counted, inpainter):
  shared, sizes = counted
  image, masks = _image(90, 90), []
  for i in range(6):
    masks.append(np.zeros((90, 90), bool))
    masks[i][10 * i : 10 * i + 9, 30:40] = True
  results, start = {}, threading.Barrier(6)

  def work(i):
    start.wait()
    results[i] = shared(image, masks[i], texture=False)

  threads = [threading.Thread(target=work, args=[i]) for i in range(6)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(sizes) == 1
  for i, mask in enumerate(masks):
    alone = inpainter(image, mask, texture=False)
    np.testing.assert_array_equal(results[i], alone)


def test_the_model_gets_one_image_at_a_time():
  """Each more would take as much memory again."""
  busy, most = threading.Semaphore(1), []

  def fill(part, part_mask):
    most.append(busy.acquire(blocking=False))
    # Long enough for another thread to come.
    threading.Event().wait(0.02)
    busy.release()
    return part

  inpainter = inference.Inpainter(fill, 32)
  image, mask = _image(40, 40), np.zeros((40, 40), bool)
  mask[10:20, 10:20] = True
  threads = [
    threading.Thread(
      target=inpainter, args=[image, mask], kwargs={'texture': 0}
    )
    for _ in range(4)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(most) == 4
  assert all(most)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_image(quick):
  """Beyond the result and one byte a pixel for what is still to be filled."""
  image = np.full((5000, 8000, 3), 90, np.uint8)
  mask = np.zeros((5000, 8000), bool)
  mask[2000:2060, 3000:3050] = True
  mask[4990:, 7000:7020] = True
  tracemalloc.start()
  try:
    quick(image, mask)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < image.nbytes + mask.nbytes + 50e6


def test_only_what_is_near_a_hole_is_cut(quick, monkeypatch):
  image, mask = _image(900, 900), np.zeros((900, 900), bool)
  mask[100:120, 100:120] = True
  mask[700:705, 800:805] = True
  sides, cut = [], windows.cut_out

  def watched(image, missing, window):
    sides.append(window.side)
    return cut(image, missing, window)

  monkeypatch.setattr(windows, 'cut_out', watched)
  quick(image, mask, texture=False)
  assert len(sides) == 2
  assert max(sides) <= 64


def test_what_does_not_fit_is_refused_before_the_work(quick):
  image, hole = _image(8, 8), np.eye(8, dtype=bool)
  with pytest.raises(errors.UserError, match='the image is float64'):
    quick(image / 255, hole)
  with pytest.raises(errors.UserError, match='1 images and 0 masks'):
    quick([image], [])
  with pytest.raises(errors.UserError, match=r'image 1: .*nothing but hole'):
    quick([image] * 2, [hole, hole | True])


@pytest.mark.parametrize('feather', [-1, 1.5])
def test_a_feather_is_a_number_of_pixels(quick, feather):
  with pytest.raises(errors.UserError, match='whole number of pixels'):
    quick(_image(8, 8), np.eye(8, dtype=bool), feather=feather)


def test_an_image_of_one_row(quick):
  image, mask = _image(1, 100_000), np.zeros((1, 100_000), bool)
  mask[0, 500:600] = mask[0, 99_990:] = True
  result = quick(image, mask, feather=0, texture=False)
  np.testing.assert_array_equal(result[~mask], image[~mask])


# Models.


def test_a_released_file_is_run_by_the_backend_of_choice(
  model, inpainter, tmp_path
):
  path = tmp_path / 'x.safetensors'
  released_file.write(path, model, {})
  image, hole = _smooth_image(60, 70), np.zeros((60, 70), bool)
  hole[20:36, 24:44] = True
  found = inference.load(path, backend='jax')(image, hole)
  # The file has half precision.
  np.testing.assert_allclose(found, inpainter(image, hole), atol=2)
  assert np.any(found != image)
  with pytest.raises(errors.UserError, match='choose one of: auto, jax, onnx'):
    inference.load(path, backend='torch')


def test_an_exported_file_is_a_model(model, inpainter, tmp_path):
  pytest.importorskip('onnx')
  pytest.importorskip('onnxruntime')
  path = tmp_path / 'x.onnx'
  path.write_bytes(export.to_onnx(model, np.dtype(np.float32)))
  image, hole = _smooth_image(60, 70), np.zeros((60, 70), bool)
  hole[20:36, 24:44] = True
  found = inference.load(path)(image, hole)
  # One level, where a value is rounded the other way.
  np.testing.assert_allclose(found, inpainter(image, hole), atol=1)
  with pytest.raises(errors.UserError, match='not by backend=jax'):
    inference.load(path, backend='jax')
  with pytest.raises(errors.UserError, match='choose one of: auto, jax, onnx'):
    inference.load(path, backend='torch')


@pytest.mark.slow
def test_inference_imports_neither_training_nor_datasets():
  code = (
    'import sys; from inpaint_jax import inference; '
    "print([x for x in ('tensorflow_datasets', 'grain', 'tensorboardX', "
    "'inpaint_jax.training', 'inpaint_jax.datasets', 'requests', 'onnx', "
    "'onnxruntime') "
    'if x in sys.modules])'
  )
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert result.stdout == '[]\n'


@pytest.mark.parametrize('strip', [1, 2, 3, 20])
def test_what_lies_behind_a_thin_strip_has_no_part_in_the_filling(quick, strip):
  """The hole is deep enough to be filled from coarse to fine."""
  image = np.full((200, 200, 3), (33, 99, 199), np.uint8)
  image[100 + strip :] = 245
  mask = np.zeros((200, 200), bool)
  mask[60:100, 60:140] = True
  result = quick(image, mask, texture=False)
  np.testing.assert_array_equal(result, image)
