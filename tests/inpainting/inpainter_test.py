"""From a trained net to filled pictures."""

import subprocess
import sys
import threading
import tracemalloc

import jax
import numpy as np
import pytest

from inpaint_jax import inference
from inpaint_jax.inpainting import windows
from inpaint_jax.photos import canvas
from inpaint_jax.runs import trained_model
from inpaint_jax.system import errors


@pytest.fixture(scope='module')
def inpainter(trained):
  return inference.load(trained, backend='jax')


def _grey(image, mask):
  """A net that knows nothing, and is quick."""
  return np.full_like(image, 0.5)


@pytest.fixture
def quick():
  return inference.Inpainter(_grey, 32)


def _picture(height, width, dtype=np.uint8):
  random = np.random.RandomState(height * width)
  return random.randint(0, np.iinfo(dtype).max + 1, (height, width, 3), dtype)


def _smooth_picture(height, width, dtype=np.uint8):
  y, x = np.mgrid[:height, :width]
  waves = [np.sin(y / 31), np.cos(x / 43), np.sin((x + y) / 59)]
  levels = (0.5 + 0.4 * np.stack(waves, axis=-1)) * np.iinfo(dtype).max
  return levels.astype(dtype)


def _hills(height, width):
  """Hills that nothing beside a hole of the size of one tells of."""
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


_SIZES = [(32, 32), (31, 33), (7, 5), (1, 40), (200, 90), (97, 301), (16, 16)]


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('size', _SIZES)
@pytest.mark.parametrize(
  ('extent', 'texture'), [(1, True), (20, False), (150, False), (2, True)]
)
def test_known_pixels_are_the_same_bit_for_bit(
  quick, size, extent, texture, dtype
):
  image, mask = _picture(*size, dtype), np.zeros(size, np.uint8)
  mask[: size[0] // 2 + 1, 2 : 2 + extent] = 255
  mask[:, 0] = 0
  before = image.copy()
  result = quick(image, mask, feather=0, texture=texture)
  assert result.dtype == dtype
  assert result.shape == image.shape
  np.testing.assert_array_equal(result[mask == 0], image[mask == 0])
  np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
  ('feather', 'dtype'), [(inpainter.FEATHER, np.uint8), (6, np.uint16)]
)
def test_outside_the_feather_too(quick, feather, dtype):
  """Also where a window is reduced, and the feather does its work."""
  image, hole = _picture(3000, 2600, dtype), np.zeros((3000, 2600), bool)
  hole[500:1900, 300:1700] = True
  hole[2500, 2500] = True
  result = quick(image, hole, feather=feather, texture=False)
  far = np.ones_like(hole)
  far[500 - feather : 1900 + feather, 300 - feather : 1700 + feather] = False
  far[_around(hole & far, feather)] = False
  np.testing.assert_array_equal(result[far], image[far])
  assert (result[~far & ~hole] != image[~far & ~hole]).any()


def test_with_the_net_known_pixels_are_kept_and_holes_filled(inpainter):
  image, mask = _picture(60, 80), np.zeros((60, 80), bool)
  mask[20:40, 30:50] = True
  result = inpainter(image, mask, feather=0)
  np.testing.assert_array_equal(result[~mask], image[~mask])
  assert (result[mask] != image[mask]).any()


@pytest.mark.parametrize('texture', [False, True])
def test_what_the_hole_holds_does_not_matter(quick, texture):
  image, mask = _picture(90, 120), np.zeros((90, 120), bool)
  mask[30:70, 30:80] = True
  other = image.copy()
  other[mask] = 0
  ours, theirs = (quick(x, mask, texture=texture) for x in (image, other))
  np.testing.assert_array_equal(ours, theirs)


def test_a_hole_far_away_changes_nothing(inpainter):
  image, near = _smooth_picture(200, 400), np.zeros((200, 400), bool)
  near[50:70, 40:70] = True
  both = near.copy()
  both[100:160, 300:360] = True
  alone, together = (inpainter(image, x, texture=False) for x in (near, both))
  np.testing.assert_array_equal(alone[:, :150], together[:, :150])


def test_a_window_goes_on_with_what_was_filled_before(quick, monkeypatch):
  """The last piece of a scratch sees no hole but its own."""
  image, mask = _picture(64, 900), np.zeros((64, 900), bool)
  mask[30:32, 4:896] = True
  holes, cut = [], windows.cut

  def watched(picture, missing, window):
    part, part_mask = cut(picture, missing, window)
    holes.append(part_mask.sum())
    return part, part_mask

  monkeypatch.setattr(windows, 'cut', watched)
  quick(image, mask, texture=False)
  found = windows.find(mask, 32)
  assert len(holes) == len(found) > 10
  last, own = found[-1], np.zeros_like(mask)
  for rows, columns, pixels in windows.own(mask, last):
    own[rows, columns] |= pixels
  assert holes[-1] == cut(image, own, last)[1].sum()


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
  # In a trial and in earnest. A net that fails the trial is not asked again.
  expected = [32, 32, 64, 64, 128, 128, 256, 256] if right else [32]
  assert sizes == expected


def test_a_net_is_trusted_as_far_as_it_proves_right():
  image, mask = _hills(96, 96), np.zeros((96, 96), bool)
  mask[32:64, 32:64] = True
  (window,) = windows.find(mask, 96)
  truth, _ = windows.cut(image, np.zeros_like(mask), window)

  def error(fill):
    result = inference.Inpainter(fill, 96)(image, mask, texture=False)
    return np.abs(result[mask].astype(int) - image[mask]).mean()

  nothing = error(lambda part, part_mask: part)
  wrong = error(lambda part, part_mask: 1 - truth[None])
  right = error(lambda part, part_mask: truth[None])
  assert right < nothing / 2
  assert wrong < nothing * 1.1


def test_a_smooth_picture_has_no_seam(quick):
  """Even if the net paints all grey; at full resolution and reduced."""
  image, mask = _smooth_picture(1500, 1600), np.zeros((1500, 1600), bool)
  mask[300:1000, 400:1100] = True
  mask[1400:1430, 1500:1530] = True
  result = quick(image, mask, texture=False).astype(int)
  for axis in (0, 1):
    rim = np.diff(mask.astype(int), axis=axis) != 0
    assert np.abs(np.diff(result, axis=axis))[rim].max() <= 8


@pytest.mark.parametrize('sides', ['left', 'all'])
def test_beyond_the_edge_a_picture_goes_on(quick, sides):
  amounts = dict.fromkeys(['left', 'top', 'right', 'bottom'], 24)
  if sides == 'left':
    amounts = {'left': 40}
  image = _smooth_picture(90, 120)
  wide, mask = canvas.expand(image, **amounts)
  result = quick(wide, mask, texture=False).astype(int)
  inner = result[amounts.get('top', 0) :, amounts['left'] :][:90, :120]
  np.testing.assert_array_equal(inner, image)
  # Black was underneath; and neighbours differ little, corners included.
  assert result.min() > 15
  rim = np.diff(mask.astype(int), axis=1) != 0
  assert np.abs(np.diff(result, axis=1))[rim].max() <= 16


def test_a_mask_is_hole_from_one_half_on(quick):
  image = _picture(40, 40)
  hole = np.zeros((40, 40), bool)
  hole[10:20, 10:20] = True
  grey = np.where(hole, 128, 127).astype(np.uint8)
  np.testing.assert_array_equal(quick(image, grey), quick(image, hole))
  assert hole.sum() == 100


def test_sixteen_bits_are_finer_than_eight(quick):
  image, hole = _smooth_picture(60, 60, np.uint16), np.zeros((60, 60), bool)
  hole[20:40, 20:40] = True
  fine = quick(image, hole, texture=False)[hole]
  coarse = quick((image // 257).astype(np.uint8), hole, texture=False)[hole]
  np.testing.assert_allclose(fine / 257, coarse, atol=1.5)
  assert len(np.unique(fine % 257)) > 50


def test_a_batch_is_its_pictures(inpainter):
  images = [_picture(40, 50), _picture(64, 33, np.uint16), _picture(40, 50)]
  masks = [np.zeros(x.shape[:2], bool) for x in images]
  for i, mask in enumerate(masks):
    mask[10 : 20 + i, 12:25] = True
  results = inpainter(images, masks)
  assert isinstance(results, list)
  for image, mask, result in zip(images, masks, results, strict=True):
    np.testing.assert_array_equal(result, inpainter(image, mask))
  stacked = inpainter(np.stack(images[::2]), np.stack(masks[::2]))
  np.testing.assert_array_equal(stacked, np.stack(results[::2]))


def test_equal_seeds_give_equal_pictures(quick):
  image, hole = _picture(80, 80), np.zeros((80, 80), bool)
  hole[30:50, 30:50] = True
  first, again, other = (quick(image, hole, seed=i) for i in (1, 1, 2))
  np.testing.assert_array_equal(first, again)
  assert (first != other).any()


class _Counted:
  """A net that counts how often it is compiled."""

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
def counted(trained):
  net = trained_model.load_run(trained)
  model = _Counted(net.model)
  fill = inference.create_fill(net._replace(model=model))
  return inference.Inpainter(fill, 32), model.sizes


def test_one_compilation_for_each_working_size(counted):
  inpainter, sizes = counted
  for height, width, extent in ((50, 60, 9), (90, 40, 12), (300, 200, 40)):
    image, mask = _picture(height, width), np.zeros((height, width), bool)
    mask[5 : 5 + extent, 6 : 6 + extent] = True
    for _ in range(2):
      inpainter(image, mask, texture=False)
  assert sorted(sizes) == [(1, 32, 32), (1, 64, 64), (1, 128, 128)]


def test_threads_share_an_inpainter(counted, inpainter):
  shared, sizes = counted
  image, masks = _picture(90, 90), []
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


def test_the_net_is_busy_with_one_picture_at_a_time():
  """Each more would take as much memory again."""
  busy, most = threading.Semaphore(1), []

  def fill(part, part_mask):
    most.append(busy.acquire(blocking=False))
    # Long enough for another thread to come.
    threading.Event().wait(0.02)
    busy.release()
    return part

  inpainter = inference.Inpainter(fill, 32)
  image, mask = _picture(40, 40), np.zeros((40, 40), bool)
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


def test_memory_does_not_grow_with_the_picture(quick):
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
  image, mask = _picture(900, 900), np.zeros((900, 900), bool)
  mask[100:120, 100:120] = True
  mask[700:705, 800:805] = True
  sides, cut = [], windows.cut

  def watched(picture, missing, window):
    sides.append(window.side)
    return cut(picture, missing, window)

  monkeypatch.setattr(windows, 'cut', watched)
  quick(image, mask)
  assert len(sides) == 2
  assert max(sides) <= 64


@pytest.mark.parametrize('optimize', [False, True])
def test_the_net_sees_what_it_was_trained_on(trained, optimize):
  """Black holes, the mask beside them, and its picture as the loss has it."""
  image, mask = _picture(32, 32), np.zeros((1, 32, 32, 1), np.float32)
  mask[:, 8:20, 8:20] = 1
  found = trained_model.load_run(trained)
  masked = (image.astype(np.float32) / 255)[None] * (1 - mask)
  with jax.numpy_rank_promotion('allow'):
    outputs = found.model.apply(found.variables, masked, mask, train=False)
    output = np.clip(found.loss.to_image(outputs), 0, 1)
  filled = inference.create_fill(found, optimize=optimize)(masked, mask)
  np.testing.assert_allclose(filled, output, atol=1e-5)


def test_a_backend_that_is_faster_is_taken(trained, monkeypatch):
  from inpaint_jax.inpainting import backends

  asked = []

  def choose(net, backend):
    asked.append(backend)
    return None if backend == 'jax' else _grey

  monkeypatch.setattr(backends, 'choose', choose)
  assert inference.load(trained)._fill is _grey
  assert inference.load(trained, backend='jax')._fill is not _grey
  assert asked == ['auto', 'jax']


_BOOL = np.ones((8, 8), bool)


@pytest.mark.parametrize(
  ('image', 'mask', 'message'),
  [
    (_picture(8, 8)[..., :1], _BOOL, 'wanted uint8 or uint16'),
    (_picture(8, 8) / 255, _BOOL, 'wanted uint8 or uint16'),
    (_picture(8, 8), np.ones((8, 8)), 'wanted bool or uint8'),
    (_picture(8, 8), np.ones((8, 8, 1), bool), 'wanted bool or uint8'),
    (_picture(8, 9), _BOOL, '9x8 pixels, the mask 8x8'),
    (_picture(8, 8), ~_BOOL, 'has no hole'),
    (_picture(8, 8), np.full((8, 8), 127, np.uint8), 'has no hole'),
    (_picture(8, 8), _BOOL, 'nothing but hole'),
    (_picture(1, 1), np.ones((1, 1), bool), 'nothing but hole'),
    (_picture(1, 1), np.zeros((1, 1), bool), 'has no hole'),
    ([_picture(8, 8)], [], '1 pictures and 0 masks'),
    ([_picture(8, 8)] * 2, [_BOOL ^ np.eye(8, dtype=bool), _BOOL], 'picture 1'),
    (_picture(8, 8)[..., 0], _BOOL, 'wanted uint8 or uint16'),
  ],
)
def test_what_does_not_fit_is_refused(quick, image, mask, message):
  with pytest.raises(errors.UserError, match=message):
    quick(image, mask)


@pytest.mark.parametrize('feather', [-1, 1.5])
def test_a_feather_is_a_number_of_pixels(quick, feather):
  with pytest.raises(errors.UserError, match='whole number of pixels'):
    quick(_picture(8, 8), np.eye(8, dtype=bool), feather=feather)


def test_a_picture_of_one_row(quick):
  image, mask = _picture(1, 100_000), np.zeros((1, 100_000), bool)
  mask[0, 500:600] = mask[0, 99_990:] = True
  result = quick(image, mask, feather=0, texture=False)
  np.testing.assert_array_equal(result[~mask], image[~mask])


def test_an_unknown_backend(trained):
  with pytest.raises(errors.UserError, match='choose one of: auto, jax, onnx'):
    inference.load(trained, backend='torch')


def test_inference_imports_neither_training_nor_datasets():
  code = (
    'import sys; from inpaint_jax import inference; '
    "print([x for x in ('tensorflow_datasets', 'grain', 'tensorboardX', "
    "'inpaint_jax.training.train', 'onnxruntime') if x in sys.modules])"
  )
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert result.stdout == '[]\n'
