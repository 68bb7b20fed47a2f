"""inpainter.py: filled images, and what they are made of."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from random_models import create_model

from inpaint_jax import inference
from inpaint_jax.inpainting import harmonic, kernels, photo_filling
from inpaint_jax.photos.picture import Picture
from inpaint_jax.release import export, released_file
from inpaint_jax.system import errors


@pytest.fixture(scope='module')
def model():
  return create_model('encoder_decoder')


@pytest.fixture(scope='module')
def guided(model):
  return inference.Inpainter(inference.create_fill(model), 32)


@pytest.fixture(scope='module')
def inpainter():
  return inference.Inpainter()


def _noise(height, width, dtype=np.uint8):
  random = np.random.RandomState(height * width)
  return random.randint(0, np.iinfo(dtype).max + 1, (height, width, 3), dtype)


def _plane(height, width, dtype=np.uint8):
  """Returns an image like a clean sky, whose colours change evenly."""
  y, x = np.mgrid[:height, :width]
  y, x = y / max(height, 2), x / max(width, 2)
  colours = [0.2 + 0.6 * y, 0.3 + 0.5 * x, 0.8 - 0.3 * (x + y) / 2]
  return np.rint(np.stack(colours, 2) * np.iinfo(dtype).max).astype(dtype)


def _box(shape, rows, columns):
  hole = np.zeros(shape, bool)
  hole[slice(*rows), slice(*columns)] = True
  return hole


def _smoothest(image, hole):
  largest = np.float32(np.iinfo(image.dtype).max)
  return np.rint(harmonic.harmonic_fill(image / largest, ~hole) * largest)


def _chessboard(height, width):
  return np.indices((height, width)).sum(axis=0) % 2 == 0


def _all_but(shape, rows, columns):
  return ~_box(shape, rows, columns)


_SHAPE = (100, 140)
HOLES = {
  'in the middle': _box(_SHAPE, (30, 60), (50, 100)),
  'in a corner': _box(_SHAPE, (0, 40), (0, 50)),
  'at an edge': _box(_SHAPE, (80, 100), (0, 140)),
  'all around': _all_but(_SHAPE, (20, 80), (25, 115)),
  'all but 1 px around': _box(_SHAPE, (1, 99), (1, 139)),
  'all but 6 px around': _box(_SHAPE, (6, 94), (6, 134)),
  'all but a pixel': _all_but(_SHAPE, (50, 51), (60, 61)),
  'all but a corner': _all_but(_SHAPE, (0, 12), (0, 12)),
  'every other row': np.indices(_SHAPE)[0] % 2 == 0,
  'every other column': np.indices(_SHAPE)[1] % 2 == 0,
  'chessboard': _chessboard(*_SHAPE),
  'random': np.random.RandomState(0).rand(*_SHAPE) < 0.9,
  'no patch is known': ~(np.indices(_SHAPE) % 6 < 4).all(axis=0),
  'several': _box(_SHAPE, (10, 30), (10, 30))
  | _box(_SHAPE, (60, 90), (80, 99)),
}
_SIZES = [(1, 2), (2, 2), (3, 3), (5, 5), (4, 9), (8, 8), (1, 40), (3, 500)]


@pytest.mark.parametrize('name', HOLES)
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('feather', [0, 4])
def test_what_is_kept_and_what_is_read(inpainter, name, dtype, feather):
  """Known pixels are kept bit for bit, and the hole's content has no effect."""
  image, hole = _noise(*_SHAPE, dtype), HOLES[name]
  before = image.copy()
  found = inpainter.explain(image, hole, feather=feather)
  np.testing.assert_array_equal(image, before)
  assert (found.image.dtype, found.image.shape) == (dtype, image.shape)
  y, x = np.nonzero(hole)
  near = hole.copy()
  for dy in range(-feather, feather + 1):
    for dx in range(-feather, feather + 1):
      near[np.clip(y + dy, 0, 99), np.clip(x + dx, 0, 139)] = True
  np.testing.assert_array_equal(found.image[~near], image[~near])
  origins = found.origins[found.origins[..., 0] >= 0]
  assert not hole[origins[:, 0], origins[:, 1]].any()
  assert (found.origins[~near] == -1).all()
  other = np.where(hole[..., None], 255 - image, image).astype(dtype)
  np.testing.assert_array_equal(
    inpainter(other, hole, feather=feather), found.image
  )


@pytest.mark.parametrize('size', _SIZES)
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_tiny_images(inpainter, size, dtype):
  image = _noise(*size, dtype)
  hole = np.zeros(size, bool)
  hole[size[0] // 2 :, size[1] // 2 :] = True
  for one in (hole, ~_box(size, (0, 1), (0, 1))):
    result = inpainter(image, one, wrap=size[1] == 40)
    np.testing.assert_array_equal(result[~one], image[~one])
    if one is not hole:
      # The whole result has the colour of the one known pixel.
      np.testing.assert_array_equal(
        result, np.broadcast_to(image[:1, :1], result.shape)
      )


@pytest.mark.parametrize('name', HOLES)
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_flat_image_stays_flat(inpainter, name, dtype):
  """No colour that is not in it, such as black, appears."""
  image = np.empty((*_SHAPE, 3), dtype)
  image[:] = np.array([33, 99, 199]) * (np.iinfo(dtype).max // 255)
  marred = np.where(HOLES[name][..., None], 0, image).astype(dtype)
  np.testing.assert_array_equal(inpainter(marred, HOLES[name]), image)


@pytest.mark.parametrize('name', HOLES)
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_plane_is_no_worse_than_the_smoothest_fill(inpainter, name, dtype):
  image, hole = _plane(*_SHAPE, dtype), HOLES[name]
  level = np.iinfo(dtype).max / 255
  error, smooth = (
    np.abs(x[hole].astype(float) - image[hole]) / level
    for x in (inpainter(image, hole), _smoothest(image, hole))
  )
  # 8 bits round a plane's slopes, which adds up far from known pixels.
  slack = 0.3 if dtype == np.uint16 else 3
  if name == 'all but 6 px around' and dtype == np.uint8:
    slack = 6
  assert error.mean() <= smooth.mean() + slack
  assert error.max() <= smooth.max() + 4 * slack


def test_a_clean_sky_gets_no_grain(inpainter):
  hole = _box((200, 300), (60, 120), (100, 200))
  image = _plane(200, 300)
  result = inpainter(image, hole).astype(int)
  assert np.abs(result - image).max() <= 2
  for axis in (0, 1):
    assert np.abs(np.diff(result, axis=axis)).max() <= 3


@pytest.mark.parametrize('texture', [False, True])
def test_sixteen_bits_have_no_steps_of_eight(inpainter, texture):
  image = _plane(80, 120, np.uint16)
  hole = _box((80, 120), (20, 60), (30, 90))
  result = inpainter(image, hole, texture=texture).astype(int)
  usual = np.abs(np.diff(image.astype(int), axis=1)).max()
  assert np.abs(np.diff(result, axis=1)).max() < usual + 64
  assert np.abs(result - image).max() < 128


@pytest.mark.parametrize('amount', [12, 60])
def test_an_expanded_plane_is_better_than_the_smoothest_fill(inpainter, amount):
  """And there is no seam where it was expanded."""
  inner = _plane(210, 260)[60:150, 60:200]
  wide, hole = photo_filling.expand_picture(
    Picture(inner),
    np.zeros(inner.shape[:2], bool),
    dict.fromkeys(['left', 'top', 'right', 'bottom'], amount),
  )
  truth = _plane(210, 260)[60 - amount :, 60 - amount :]
  truth = truth[: hole.shape[0], : hole.shape[1]].astype(int)
  result = inpainter(wide.pixels, hole).astype(int)
  error, smooth = (
    np.abs(x - truth)[hole].mean()
    for x in (result, _smoothest(wide.pixels, hole))
  )
  assert error < smooth
  for axis in (0, 1):
    rim = np.diff(hole.astype(int), axis=axis) != 0
    assert np.abs(np.diff(result, axis=axis))[rim].max() <= 4


@pytest.mark.parametrize('strip', [1, 2, 3, 20])
def test_what_lies_behind_a_thin_strip_has_no_part_in_the_filling(
  inpainter, strip
):
  image = np.full((200, 200, 3), (33, 99, 199), np.uint8)
  image[100 + strip :] = 245
  hole = _box((200, 200), (60, 100), (60, 140))
  for texture in (False, True):
    result = inpainter(image, hole, texture=texture)
    np.testing.assert_array_equal(result, image)


# Origins, source, avoid.


def _is_copy(image, found, hole, slack):
  origins = found.origins[hole]
  copies = image[origins[:, 0], origins[:, 1]].astype(float)
  change = found.image[hole] - copies
  return np.abs(change).max() <= slack


def test_origins_are_what_was_copied(inpainter):
  """In a periodic texture the copies need no correction."""
  image = np.tile(_noise(8, 8), (20, 25, 1))
  hole = _box((160, 200), (60, 90), (70, 120))
  found = inpainter.explain(image, hole)
  assert (found.origins[hole] >= 0).all()
  np.testing.assert_array_equal(found.image, image)
  assert _is_copy(image, found, hole, 0)
  np.testing.assert_array_equal(inpainter(image, hole), found.image)


@pytest.mark.parametrize(
  ('source', 'avoid'),
  [
    (((10, 50), (10, 60)), None),
    (((10, 15), (10, 15)), None),
    (((10, 17), (100, 109)), None),
    (None, ((0, 160), (0, 60))),
    (((0, 40), (0, 200)), ((0, 40), (0, 100))),
  ],
)
def test_only_what_is_allowed_is_copied(inpainter, source, avoid):
  image, hole = _noise(160, 200), _box((160, 200), (60, 90), (70, 120))
  masks = {
    name: _box(hole.shape, *box)
    for name, box in (('source', source), ('avoid', avoid))
    if box
  }
  found = inpainter.explain(image, hole, **masks)
  rows, columns = np.moveaxis(found.origins[hole], -1, 0)
  assert (rows >= 0).all()
  if source:
    assert masks['source'][rows, columns].all()
  if avoid:
    assert not masks['avoid'][rows, columns].any()


def test_what_is_avoided_does_not_bleed(inpainter):
  """Differences between it and its neighbours are not copied either."""
  image = np.full((120, 160, 3), 90, np.uint8)
  image[:, ::8] = 100
  avoid = _box((120, 160), (0, 38), (0, 160))
  image[avoid] = 250, 0, 0
  hole = _box((120, 160), (40, 80), (60, 100))
  result = inpainter(image, hole, avoid=avoid)
  # Not the first rows, which meet what is next to the hole.
  assert result[45:80, 60:100].max() <= 110


def test_a_source_far_away_is_reached(inpainter):
  """Even if the image is too large to be searched as a whole."""
  image, shape = np.full((1500, 2000, 3), 90, np.uint8), (1500, 2000)
  source = _box(shape, (1400, 1440), (1900, 1950))
  image[source] = _noise(40, 50).reshape(-1, 3)
  hole = _box(shape, (100, 130), (100, 140))
  found = inpainter.explain(image, hole, source=source)
  rows, columns = np.moveaxis(found.origins[hole], -1, 0)
  assert source[rows, columns].all()


def test_nothing_to_copy_is_an_error_before_the_work(inpainter):
  image, hole = _noise(60, 60), _box((60, 60), (20, 30), (20, 30))
  few = _box((60, 60), (0, 4), (0, 60))
  for masks in ({'source': few}, {'avoid': ~few}):
    with pytest.raises(errors.UserError, match='5x5 known pixels'):
      inpainter(image, hole, **masks)
  with pytest.raises(errors.UserError, match=r'source: .*bring the mask'):
    inpainter(image, hole, source=few[:9])
  with pytest.raises(errors.UserError, match=r'avoid has no effect with text'):
    inpainter(image, hole, avoid=few, texture=False)
  with pytest.raises(errors.UserError, match='one by one'):
    inpainter([image], [hole], source=few)


def test_a_source_that_is_transparent_is_an_error(inpainter):
  image, hole = _noise(60, 60), _box((60, 60), (20, 30), (20, 30))
  alpha = np.full((60, 60, 1), 255, np.uint8)
  alpha[40:] = 0
  image = np.concatenate([image, alpha], axis=2)
  source = _box((60, 60), (45, 60), (0, 60))
  with pytest.raises(errors.UserError, match='that are not transparent; mark'):
    inpainter(image, hole, source=source)


# Feather, seeds.


@pytest.mark.parametrize('feather', [1, 2, 8, 29, 200, 10**9])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_feather_of_any_size_has_an_effect(inpainter, feather, dtype):
  image, hole = _noise(90, 110, dtype), _box((90, 110), (40, 50), (40, 50))
  result = inpainter(image, hole, feather=feather)
  ring = (result != image).any(axis=2) & ~hole
  assert ring.any()
  rows, columns = np.nonzero(ring)
  far = np.maximum.reduce([40 - rows, rows - 49, 40 - columns, columns - 49])
  assert far.max() <= feather
  # At least half of the known pixels stay.
  assert ring.sum() <= (~hole).sum() / 2 + 1


def test_a_feather_leaves_something_to_copy(inpainter):
  image, hole = _noise(90, 110), _box((90, 110), (40, 50), (40, 50))
  source = _box((90, 110), (30, 40), (40, 50))
  found = inpainter.explain(image, hole, source=source, feather=20)
  rows, columns = np.moveaxis(found.origins[hole], -1, 0)
  assert source[rows, columns].all()


@pytest.mark.parametrize('feather', [-1, 1.5])
def test_a_feather_is_a_number_of_pixels(inpainter, feather):
  with pytest.raises(errors.UserError, match='whole number of pixels'):
    inpainter(_noise(8, 8), np.eye(8, dtype=bool), feather=feather)


def test_equal_seeds_give_equal_images(inpainter):
  image, hole = _noise(48, 48), _box((48, 48), (20, 28), (20, 28))
  first, again, other = (inpainter(image, hole, seed=i) for i in (1, 1, 2))
  np.testing.assert_array_equal(first, again)
  assert (first != other).any()


def test_of_equal_places_the_one_in_the_same_row_is_copied(inpainter):
  for seed in range(6):
    image = _noise(96, 192)
    there = image[30:66, 78:114]
    image[30:66, 14:50] = image[58:94, 130:166] = there
    hole = _box((96, 192), (38, 58), (86, 106))
    origins = inpainter.explain(image, hole, seed=seed).origins
    moved = origins[hole] - np.argwhere(hole)
    np.testing.assert_array_equal(moved, np.broadcast_to([0, -64], moved.shape))


@pytest.mark.parametrize('above', range(2, 9))
@pytest.mark.parametrize('turned', [False, True])
def test_an_edge_just_inside_a_hole_stays_straight(inpainter, turned, above):
  # Sky above waves or, turned, beside a wall.
  rng = np.random.default_rng(above)
  image = np.full((256, 384, 3), (150, 180, 220), np.float32)
  horizon = 120 + above % 3
  image[:horizon] += np.linspace(-20, 10, horizon)[:, None, None]
  waves = rng.normal(0, 10, (256 - horizon, 384, 1))
  image[horizon:] = (60, 90, 120) + waves
  image = np.clip(image, 0, 255).astype(np.uint8)
  hole = np.zeros((256, 384), bool)
  hole[horizon - above : horizon + 70, 140:240] = True
  if turned:
    image, hole = image.swapaxes(0, 1), hole.T
  filled = inpainter(np.where(hole[..., None], 0, image).astype('u1'), hole)
  if turned:
    filled = filled.swapaxes(0, 1)
  is_sky = filled[:, 140:240].mean(axis=2) > 130
  found = is_sky.argmin(axis=0)
  np.testing.assert_allclose(found, horizon, atol=0)


@pytest.mark.parametrize('angle', [10, 20, 30, 45, 60, 75])
def test_a_slanted_edge_just_inside_a_hole_stays_straight(inpainter, angle):
  turn = np.deg2rad(angle)
  y, x = np.mgrid[-200:200, -200:200]
  along = x * np.cos(turn) + y * np.sin(turn)
  across = y * np.cos(turn) - x * np.sin(turn)
  is_sky = across < 0
  image = np.where(is_sky[..., None], (150, 190, 230), (120, 90, 70))
  image = image + np.random.default_rng(0).normal(0, 4, (400, 400, 1))
  image = np.clip(image, 0, 255).astype(np.uint8)
  hole = (abs(along) < 60) & (across >= -4) & (across < 76)
  filled = inpainter(np.where(hole[..., None], 0, image).astype('u1'), hole)
  wrong = (filled[..., 2] > 150) != is_sky
  assert np.abs(across[wrong]).max(initial=0) <= 3


@pytest.mark.parametrize(
  'seed', [-1, 2**70, -(2**40), np.int8(-1), np.uint64(5)]
)
def test_any_whole_number_is_a_seed(inpainter, seed):
  image, hole = _noise(48, 48), _box((48, 48), (20, 28), (20, 28))
  result = inpainter(image, hole, seed=seed)
  np.testing.assert_array_equal(result[~hole], image[~hole])
  np.testing.assert_array_equal(inpainter(image, hole, seed=int(seed)), result)
  with pytest.raises(errors.UserError, match=r'seed=1\.5'):
    inpainter(image, hole, seed=1.5)


# Several images, threads, progress.


def test_a_batch_gives_the_same_as_single_images(inpainter):
  images = [_noise(40, 50), _noise(64, 33, np.uint16), _noise(40, 50)]
  masks = [
    _box(x.shape[:2], (10, 20 + i), (12, 25)) for i, x in enumerate(images)
  ]
  results = inpainter(images, masks)
  assert isinstance(results, list)
  for image, mask, result in zip(images, masks, results, strict=True):
    np.testing.assert_array_equal(result, inpainter(image, mask))
  stacked = inpainter(np.stack(images[::2]), np.stack(masks[::2]))
  np.testing.assert_array_equal(stacked, np.stack(results[::2]))


def test_what_does_not_fit_is_refused_before_the_work(inpainter):
  image, hole = _noise(8, 8), np.eye(8, dtype=bool)
  with pytest.raises(errors.UserError, match='the image is float64'):
    inpainter(image / 255, hole)
  with pytest.raises(
    errors.UserError, match='batch of 1, but mask is a batch of 0'
  ):
    inpainter([image], [])
  with pytest.raises(
    errors.UserError, match=r'image 1: .*marks the whole image as the hole'
  ):
    inpainter([image] * 2, [hole, hole | True])


def test_threads_share_an_inpainter(guided):
  image, results, start = _noise(90, 90), {}, threading.Barrier(6)
  masks = [_box((90, 90), (10 * i, 10 * i + 9), (30, 40)) for i in range(6)]

  def work(i):
    start.wait()
    results[i] = guided(image, masks[i])

  threads = [threading.Thread(target=work, args=[i]) for i in range(6)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  for i, mask in enumerate(masks):
    np.testing.assert_array_equal(results[i], guided(image, mask))


@pytest.mark.parametrize('source', [None, (slice(40, 300), slice(40, 300))])
def test_windows_give_the_same_on_any_number_of_threads(
  inpainter, monkeypatch, source
):
  # Four tiles and a large hole, which some of the windows see. If only the
  # first tile may be copied, all windows see its small holes.
  image = np.tile(_noise(400, 400), (4, 4, 1))
  shape = image.shape[:2]
  hole = _box(shape, (900, 1250), (600, 700))
  for top in range(60, 1560, 340):
    for left in range(50, 1560, 310):
      hole[top : top + 20, left : left + 30] = True
  if source:
    marked = np.zeros(shape, bool)
    marked[source] = True
    source = marked
  results = []
  for count in (1, 5):
    monkeypatch.setattr(kernels, 'NUM_THREADS', count)
    results.append(inpainter(image, hole, source=source))
  np.testing.assert_array_equal(results[0][~hole], image[~hole])
  assert (results[0][hole] != image[hole]).any()
  np.testing.assert_array_equal(results[1], results[0])


@pytest.mark.parametrize('texture', [False, True])
def test_progress_goes_from_nothing_to_all(inpainter, texture):
  shares = []
  hole = _box((1500, 2000), (10, 400), (10, 400))
  hole[1400:1450, 1900:1950] = True
  inpainter(
    np.full((1500, 2000, 3), 90, np.uint8),
    hole,
    texture=texture,
    progress=shares.append,
  )
  assert shares == sorted(shares)
  assert shares[-1] == 1
  assert len(shares) > (3 if texture else 0)


def test_progress_is_that_of_all_images_and_of_a_whole_panorama(inpainter):
  shares = []
  # The border cuts the hole, so a part of it is filled twice.
  hole = _box((24, 32), (8, 16), (0, 32))
  images, masks = np.zeros((2, 24, 32, 3), np.uint8), np.stack([hole, hole])
  inpainter(images, masks, texture=False, wrap=True, progress=shares.append)
  assert shares == sorted(shares)
  assert sorted(set(shares)) == [0.25, 0.5, 0.75, 1]


# Models.


def test_a_model_guides(model):
  """Without texture, its guess fills the hole and meets the known pixels."""
  image, hole = (
    np.full((40, 40, 3), 128, np.uint8),
    _box((40, 40), (9, 30), (9, 30)),
  )
  seen = []

  def fill(part, mask):
    seen.append((part.shape, part.dtype, mask.shape, mask.dtype))
    assert not (part * mask).any()
    return np.random.RandomState(0).rand(1, 64, 64, 3).astype(np.float32)

  result = inference.Inpainter(fill, 64)(image, hole, texture=False)
  assert seen == [((1, 64, 64, 3), np.float32, (1, 64, 64, 1), np.float32)]
  plain = inference.Inpainter()(image, hole, texture=False)
  assert np.abs(plain[hole].astype(int) - 128).max() == 0
  assert np.unique(result[hole]).size > 5


def test_the_model_gets_one_image_at_a_time():
  """Each further image would take as much memory again."""
  busy, most = threading.Semaphore(1), []

  def fill(part, part_mask):
    most.append(busy.acquire(blocking=False))
    # Long enough for another thread to arrive.
    threading.Event().wait(0.02)
    busy.release()
    return part

  inpainter = inference.Inpainter(fill, 64)
  image, hole = _noise(40, 40), _box((40, 40), (10, 20), (10, 20))
  threads = [
    threading.Thread(target=inpainter, args=[image, hole]) for _ in range(4)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert most == [True] * 4


def test_a_released_file_is_run_by_the_backend_of_choice(
  model, guided, tmp_path
):
  path = tmp_path / 'x.safetensors'
  released_file.write(path, model, {})
  image, hole = _plane(30, 32), _box((30, 32), (10, 16), (10, 20))
  found = inference.load(path, backend='jax')
  small = inference.Inpainter(inference.create_fill(model))
  # The file stores half precision.
  np.testing.assert_allclose(
    found(image, hole, texture=False), small(image, hole, texture=False), atol=2
  )
  with pytest.raises(errors.UserError, match='choose one of: auto, jax, onnx'):
    inference.load(path, backend='torch')


def test_an_exported_file_is_a_model(model, tmp_path):
  pytest.importorskip('onnx')
  pytest.importorskip('onnxruntime')
  path = tmp_path / 'x.onnx'
  path.write_bytes(export.to_onnx(model, np.dtype(np.float32)))
  image, hole = _plane(30, 32), _box((30, 32), (10, 16), (10, 20))
  small = inference.Inpainter(inference.create_fill(model))
  # A value may be rounded the other way, to the next level.
  np.testing.assert_allclose(
    inference.load(path)(image, hole, texture=False),
    small(image, hole, texture=False),
    atol=1,
  )
  with pytest.raises(errors.UserError, match='not by backend=jax'):
    inference.load(path, backend='jax')


def _run(code):
  """Returns what a program prints."""
  return subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  ).stdout


@pytest.mark.slow
def test_inference_imports_neither_training_nor_datasets():
  code = (
    'import sys; from inpaint_jax import inference; inference.load(); '
    "print([x for x in ('tensorflow_datasets', 'grain', 'tensorboardX', "
    "'inpaint_jax.training', 'inpaint_jax.datasets', 'requests', 'onnx', "
    "'onnxruntime') "
    'if x in sys.modules])'
  )
  assert _run(code) == '[]\n'


@pytest.mark.slow
def test_a_released_model_leaves_logging_as_it_was():
  code = (
    'import logging; import numpy as np; from inpaint_jax import inference; '
    "inpainter = inference.load('encoder-decoder-landscapes', 'jax'); "
    'inpainter(np.zeros((32, 32), np.uint8), np.eye(32) > 0); '
    'print(logging.root.handlers)'
  )
  assert _run(code) == '[]\n'


# Fills a large image and prints the peak memory in kilobytes. Not ru_maxrss,
# which a process inherits from the one that started it.
_MEMORY = """
import pathlib, sys
import numpy as np
from inpaint_jax import inference
height, width, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
row = np.arange(width, dtype=np.uint8)[None, :, None]
image = np.tile(row, (height, 1, 3))
hole = np.zeros((height, width), bool)
if kind == 'thing':
  hole[height // 2:][:300, width // 2:][:, :300] = True
elif kind == 'scratch':
  across = np.arange(width)
  for thickness in range(5):
    hole[across * (height - 9) // width + thickness, across] = True
elif kind == 'specks':
  hole[::200, ::200] = hole[1::200, ::200] = hole[::200, 1::200] = True
result = inference.load()(image, hole)
assert (result[~hole] == image[~hole]).all()
lines = pathlib.Path('/proc/self/status').read_text().splitlines()
(peak,) = [line.split()[1] for line in lines if line.startswith('VmHWM:')]
print(peak)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='/proc')
@pytest.mark.parametrize(
  ('height', 'width', 'kind', 'gigabytes'),
  [
    (4000, 6000, 'scratch', 2),
    (4000, 6000, 'specks', 2),
    (8000, 12500, 'thing', 4),
  ],
)
def test_memory_is_bounded(height, width, kind, gigabytes):
  output = subprocess.run(
    [sys.executable, '-c', _MEMORY, str(height), str(width), kind],
    capture_output=True,
    text=True,
    check=True,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
  ).stdout
  assert int(output) * 1024 < gigabytes * 1e9
