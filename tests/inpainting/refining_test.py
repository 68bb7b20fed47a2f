"""refining.py: a net changes what was copied, and nothing else."""

import os

import jax
import numpy as np
from PIL import Image
import pytest
import safetensors.numpy
import threadpoolctl

from inpaint_jax import inference
from inpaint_jax.datasets import landscape
from inpaint_jax.inpainting import kernels, refiner, refining
from inpaint_jax.models import refiner as flax_refiner
from inpaint_jax.system import errors


def _photo(height, width, seed=0):
  """Returns coloured noise of several scales, uint8 [height, width, 3]."""
  rng = np.random.default_rng(seed)
  total = np.zeros((height, width, 3))
  for side in (2, 8, 32, 128):
    shape = -(-height // side) + 1, -(-width // side) + 1, 3
    small = rng.integers(0, 256, shape, dtype=np.uint8)
    large = Image.fromarray(small).resize(
      (shape[1] * side, shape[0] * side), Image.Resampling.BICUBIC
    )
    total += np.asarray(large)[:height, :width] * 0.25
  return total.astype(np.uint8)


def _box(shape, rows, columns):
  hole = np.zeros(shape, bool)
  hole[slice(*rows), slice(*columns)] = True
  return hole


def _both(image, hole, **options):
  """Returns an image filled without and with refining."""
  marred = image.copy()
  marred[hole] = 0
  engine = inference.Inpainter()
  return [
    engine(marred, hole, refine=refine, **options) for refine in (False, True)
  ]


@pytest.mark.parametrize('size', [(48, 64), (20, 4)])
def test_it_computes_what_was_trained(monkeypatch, tmp_path, size):
  """The same weights give the same numbers in Flax."""
  rng = np.random.default_rng(0)
  net = flax_refiner.Refiner()
  seen = [
    rng.uniform(size=(1, *size, channels)).astype(np.float32)
    for channels in (3, 1, 1)
  ]
  params = jax.jit(net.init)(jax.random.key(0), *seen)['params']
  params = jax.tree.map(
    lambda x: rng.normal(scale=0.1, size=x.shape).astype(np.float16), params
  )
  arrays = {
    f'{layer}.{name}': x
    for layer, both in params.items()
    for name, x in both.items()
  }
  assert sum(x.size for x in arrays.values()) == 1_109_475
  safetensors.numpy.save_file(arrays, tmp_path / 'weights')
  monkeypatch.setattr(refiner, 'WEIGHTS', tmp_path / 'weights')
  layers = refiner.load.__wrapped__()
  wanted = net.apply(
    {'params': jax.tree.map(lambda x: x.astype(np.float32), params)}, *seen
  )
  seen[0] = 2 * seen[0] - 1
  near = tuple(slice(0, side) for side in size)
  found = refiner.run(layers, np.concatenate(seen, axis=-1)[0], near)
  largest = np.abs(wanted).max()
  np.testing.assert_allclose(found, wanted[0], atol=1e-5 * largest)


@pytest.mark.parametrize('width', [4, 12, 40])
def test_it_refines_as_in_training(width):
  """The engine adds what the training compares with the truth."""
  shape = 32 + width, 88
  image, hole = _photo(*shape), _box(shape, (16, 16 + width), (16, 72))
  before, after = _both(image, hole)
  marred = np.where(hole[..., None], 0, image).astype(np.uint8)
  origins = inference.Inpainter().explain(marred, hole, refine=False).origins
  seams = refining.find_seams(origins, hole)
  layers: dict[str, dict[str, np.ndarray]] = {}
  for name, array in safetensors.numpy.load_file(refiner.WEIGHTS).items():
    layer, kind = name.split('.')
    layers.setdefault(layer, {})[kind] = array.astype(np.float32)
  trained = flax_refiner.refine(
    flax_refiner.Refiner(),
    {'params': layers},
    (before / np.float32(255))[None],
    hole[None, ..., None].astype(np.float32),
    seams[None, ..., None].astype(np.float32),
    refining.BLUR,
    refining.THIN,
  )
  assert (before != after).any()
  wanted = 255 * np.clip(trained[0], 0, 1)
  # But for rounding, and hues that the photo does not have.
  np.testing.assert_allclose(after[hole], wanted[hole], atol=0.8)


def test_it_brings_fillings_nearer_to_the_truth():
  """On landscapes that are rendered, unlike those of the training."""
  changes = []
  for index in range(12):
    image = landscape.render(index, 224)
    hole = _box(image.shape[:2], (60, 140), (80, 180))
    before, after = (
      np.abs(x.astype(int) - image)[hole].mean() for x in _both(image, hole)
    )
    changes.append(after / before)
  assert np.mean(changes) < 1


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize(
  'hole',
  [
    _box((150, 203), (40, 90), (50, 120)),
    _box((150, 203), (0, 40), (0, 203)),
    _box((150, 203), (70, 73), (0, 203)),
  ],
  ids=['within', 'border', 'line'],
)
def test_only_the_hole_changes(hole, dtype):
  image = _photo(*hole.shape).astype(dtype) * (np.iinfo(dtype).max // 255)
  before, after = _both(image, hole)
  assert (before[~hole] == image[~hole]).all()
  assert (after[~hole] == image[~hole]).all()
  assert np.mean(before[hole] != after[hole]) > 0.5


def test_sixteen_bits_are_refined_like_eight():
  image, hole = _photo(120, 150), _box((120, 150), (40, 80), (50, 100))
  _, eight = _both(image, hole)
  _, sixteen = _both(image * np.uint16(257), hole)
  apart = np.abs(sixteen / 257 - eight)
  assert apart.max() < 2
  # They are no multiples of 257.
  assert np.mean(sixteen[hole] % 257 == 0) < 0.1


def test_the_number_of_threads_changes_nothing(monkeypatch):
  image = _photo(300, 400)
  hole = _box((300, 400), (0, 60), (0, 400)) | _box(
    (300, 400), (150, 190), (90, 150)
  )
  monkeypatch.setattr(kernels, 'NUM_THREADS', 1)
  _, one = _both(image, hole)
  monkeypatch.setattr(kernels, 'NUM_THREADS', 3)
  _, three = _both(image, hole)
  np.testing.assert_array_equal(one, three)


def test_matrix_products_have_their_threads_again():
  def threads():
    return [x['num_threads'] for x in threadpoolctl.threadpool_info()]

  usual = threads()
  image, hole = _photo(120, 150), _box((120, 150), (40, 80), (50, 100))
  _both(image, hole)
  assert threads() == usual


def test_a_hole_in_pieces_is_refined_like_a_whole(monkeypatch):
  """What the net does not see, beyond its margin, hardly matters."""
  image, hole = _photo(300, 300), _box((300, 300), (60, 240), (70, 230))
  before, whole = (x.astype(int) for x in _both(image, hole))
  monkeypatch.setattr(refining, 'LARGEST', 112**2)
  _, pieces = _both(image, hole)
  change = np.abs(whole - before)[hole].mean()
  assert change > 1
  assert np.abs(whole - pieces)[hole].mean() < 0.2 * change


def test_specks_stay_as_they_are():
  """So thousands of them take no longer."""
  image, hole = _photo(200, 300), np.zeros((200, 300), bool)
  hole[10::20, 10::20] = True
  before, after = _both(image, hole)
  np.testing.assert_array_equal(before, after)


def test_copies_that_fit_stay_as_they_are():
  rng = np.random.default_rng(0)
  tile = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
  image = np.tile(tile, (20, 25, 1))
  hole = _box((160, 200), (60, 90), (70, 120))
  _, after = _both(image, hole)
  np.testing.assert_array_equal(after, image)


def test_a_large_photo_is_refined_at_a_reduced_size():
  """Twice as large, the same photo gets about the same change."""
  image, hole = _photo(800, 900), _box((800, 900), (300, 420), (300, 480))
  marred = image.copy()
  marred[hole] = 0
  filled = inference.Inpainter().explain(marred, hole, refine=False)

  def change(factor):
    large, wide, origins = (
      x.repeat(factor, 0).repeat(factor, 1)
      for x in (filled.image, hole, filled.origins * factor)
    )
    steps = np.moveaxis(np.indices(wide.shape, np.int32), 0, -1) % factor
    origins = np.where(wide[..., None], origins + steps, -1)
    place = slice(0, len(wide)), slice(0, wide.shape[1])
    part = refining.create_part(place, place, large, wide, origins, large)
    after = large.copy()
    refining.refine(after, wide, [part])
    return (after.astype(int) - large)[::factor, ::factor][hole]

  one, two = change(1), change(2)
  assert np.abs(one).mean() > 1
  assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.8


def test_copies_that_fit_stay_beside_others_that_do_not():
  rng = np.random.default_rng(0)
  tile = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
  image = np.concatenate([np.tile(tile, (15, 25, 1)), _photo(100, 200)])
  exact = _box((220, 200), (60, 90), (70, 120))
  hole = exact | _box((220, 200), (140, 180), (70, 120))
  before, after = _both(image, hole)
  np.testing.assert_array_equal(after[exact], image[exact])
  assert (before != after).any()


def test_drawings_stay_as_they_are():
  image = np.full((160, 200, 3), 255, np.uint8)
  rng = np.random.default_rng(0)
  for row in range(8, 150, 16):
    for column in range(8, 190, 12):
      height, width = rng.integers(3, 9, 2)
      image[row : row + height, column : column + width] = (20, 60, 90)
  before, after = _both(image, _box((160, 200), (40, 90), (60, 120)))
  np.testing.assert_array_equal(before, after)


def test_grey_photos_in_colour_files_stay_grey():
  image = np.repeat(_photo(150, 200)[..., :1], 3, axis=2)
  before, after = _both(image, _box((150, 200), (40, 90), (60, 120)))
  assert (before != after).any()
  assert (after == after[..., :1]).all()


def test_toned_photos_keep_their_tone():
  grey = _photo(150, 200)[..., :1]
  image = np.rint(grey * np.array([1, 0.85, 0.65])).astype(np.uint8)
  hole = _box((150, 200), (40, 90), (60, 120))
  before, after = _both(image, hole)
  apart = [
    np.abs(x[hole][:, 2] - 0.65 * x[hole][:, 0]).mean() for x in (before, after)
  ]
  assert (before != after).any()
  assert apart[1] < apart[0] + 0.2


def test_progress_may_fill_other_images():
  image, hole = _photo(120, 150), _box((120, 150), (40, 80), (50, 100))
  engine, shares = inference.Inpainter(), []

  def progress(share):
    if not shares:
      engine(image, hole)
    shares.append(share)

  result = engine(image, hole, progress=progress)
  np.testing.assert_array_equal(result, engine(image, hole))
  assert shares[-1] == 1


def test_many_small_parts_are_refined_at_full_size():
  """At a reduced size the net would see more for each of them, not less."""
  image, hole = _photo(900, 900), np.zeros((900, 900), bool)
  place = slice(0, 900), slice(0, 900)
  parts = []
  for row in range(20, 880, 40):
    for column in range(20, 880, 40):
      own = np.zeros_like(hole)
      own[row : row + 12, column : column + 12] = True
      origins = np.full((900, 900, 2), 3, np.int32)
      parts.append(
        refining.create_part(place, place, image, own, origins, image)
      )
      hole |= own
  after = image.copy()
  refining.refine(after, hole, parts)
  assert (after[~hole] == image[~hole]).all()
  assert np.mean(after[hole] != image[hole]) > 0.5


@pytest.mark.parametrize(('side', 'share'), [(500, 1), (560, 4)])
def test_a_hole_of_much_of_a_photo_is_seen_at_half_the_size(
  monkeypatch, side, share
):
  """So that it takes no longer; the net sees a fourth of the pixels."""
  image, hole = _photo(640, 640), _box((640, 640), (40, 40 + side), (0, side))
  seen = []

  def run(layers, x, near):
    del layers
    seen.append(x.shape[0] * x.shape[1])
    return np.zeros([part.stop - part.start for part in near] + [3], np.float32)

  monkeypatch.setattr(refiner, 'run', run)
  place = slice(0, 640), slice(0, 640)
  part = refining.Part(place, hole, np.zeros_like(hole), hole)
  refining.refine(image, hole, [part])
  assert 1 < sum(seen) * share / np.count_nonzero(hole) < 1.7


def test_weights_that_are_damaged_or_missing(monkeypatch, tmp_path):
  image, hole = _photo(60, 60), _box((60, 60), (20, 40), (20, 40))
  damaged = tmp_path / 'weights'
  damaged.write_bytes(refiner.WEIGHTS.read_bytes()[:1000])
  for path in (damaged, tmp_path / 'missing'):
    monkeypatch.setattr(refiner, 'WEIGHTS', path)
    refiner.load.cache_clear()
    with pytest.raises(errors.UserError, match=r'weights .* refine=False'):
      inference.Inpainter()(image, hole)
    inference.Inpainter()(image, hole, refine=False)
  refiner.load.cache_clear()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='there are no forks')
@pytest.mark.filterwarnings('ignore:.*fork')
def test_a_fork_has_its_threads_for_matrix_products():
  def threads():
    return [x['num_threads'] for x in threadpoolctl.threadpool_info()]

  usual = threads()
  with refiner.one_thread():
    process = os.fork()
    if not process:
      os._exit(threads() != usual)
  assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_holes_of_several_windows_have_seams_at_their_boundary():
  """A window's part ends with its holes, and what they border is known."""
  image, hole = _photo(1100, 2000), _box((1100, 2000), (500, 540), (700, 760))
  inner = slice(500, 540), slice(700, 760)
  origins = np.full((*hole.shape, 2), -1, np.int32)
  origins[hole] = np.argwhere(hole) - (100, 50)
  part = refining.create_part(inner, inner, image, hole, origins, image)
  assert part.seams[[0, -1]].all()
  assert part.seams[:, [0, -1]].all()
  assert not part.seams[1:-1, 1:-1].any()
