"""The promises that masks.py makes for each kind."""

import functools

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from PIL import Image
import pytest
from scipy import ndimage

from inpaint_jax import masks
from inpaint_jax.system import errors

# Kind, brush, and the smallest and largest promised area if the shorter side is
# s pixels, which is r times the longer one.
PROMISES = [
  ('stamps', 'medium', lambda s, r: (0.011 * r, 0.5625 * r)),
  ('strokes', 'thin', lambda s, r: (r / s**2, 0.5)),
  ('strokes', 'medium', lambda s, r: (r / s**2, 0.5)),
  ('strokes', 'thick', lambda s, r: (r / s**2, 0.5)),
  ('box', 'medium', lambda s, r: (0.05 - 1 / s, 0.4 + 1 / s)),
  ('border', 'medium', lambda s, r: (0.05 - 1 / s, 0.6 + 1 / s)),
  ('mixture', 'medium', lambda s, r: (r / s**2, 0.6 + 1 / s)),
]


def create(kind, brush='medium'):
  config = ml_collections.ConfigDict({'kind': kind, 'strokes': brush})
  return masks.create_sampler(config)


@functools.cache
def compiled(kind, brush):
  return jax.jit(create(kind, brush), static_argnums=(1, 2))


def draw(kind, brush, height, width, count=400, seed=0):
  """Draws `count` masks as train steps do, [count, height, width] bool."""
  keys = jax.random.split(jax.random.key(seed), count)
  drawn = compiled(kind, brush)(keys, height, width)
  assert drawn.shape == (count, height, width, 1)
  assert drawn.dtype == jnp.float32
  assert set(np.unique(drawn)) == {0.0, 1.0}
  return np.asarray(drawn[:, :, :, 0], bool)


@functools.cache
def compiled_evaluation(kind):
  evaluate = functools.partial(masks.evaluation_masks, create(kind))
  return jax.jit(lambda seed, index: evaluate(seed, index, 32, 32))


def check_area(promise, holes):
  area = holes.mean(axis=(1, 2))
  side = min(holes.shape[1:])
  low, high = promise(side, side / max(holes.shape[1:]))
  assert area.min() >= low
  assert area.max() <= high
  # Every mask has both a hole and known pixels, whatever the promise.
  assert 0 < area.min() < area.max() < 1


def bounding_box(hole):
  (rows,), (columns,) = np.nonzero(hole.any(1)), np.nonzero(hole.any(0))
  return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def is_rectangle(hole):
  top, bottom, left, right = bounding_box(hole)
  return hole[top:bottom, left:right].all()


def test_every_kind_has_its_promise_tested():
  assert {kind for kind, _, _ in PROMISES} == set(masks.MASKS)
  brushes = {brush for kind, brush, _ in PROMISES if kind == 'strokes'}
  assert brushes == set(masks.BRUSHES)


@pytest.mark.parametrize(('kind', 'brush', 'promise'), PROMISES)
def test_area_is_as_promised(kind, brush, promise):
  check_area(promise, draw(kind, brush, 32, 32))


@pytest.mark.slow
@pytest.mark.parametrize(
  ('height', 'width', 'count'), [(64, 40, 400), (256, 256, 24)]
)
@pytest.mark.parametrize('kind', ['stamps', 'strokes', 'box', 'border'])
def test_area_is_as_promised_at_other_sizes(kind, height, width, count):
  promise = {kind: promise for kind, _, promise in PROMISES}[kind]
  check_area(promise, draw(kind, 'medium', height, width, count))


@pytest.mark.parametrize('kind', sorted(masks.MASKS))
def test_keys_decide(kind):
  first = draw(kind, 'medium', 32, 32)
  np.testing.assert_array_equal(first, draw(kind, 'medium', 32, 32))
  other = draw(kind, 'medium', 32, 32, seed=1)
  assert (first != other).any(axis=(1, 2)).mean() > 0.95
  # Boxes and borders have few shapes at 32 pixels, so many do recur.
  assert len({hole.tobytes() for hole in first}) > 200


def test_evaluation_masks_are_the_same_everywhere():
  # Numbers of pixels in the hole. If they change, tables made before cannot be
  # compared with those made from now on.
  drawn = compiled_evaluation('mixture')(0, np.arange(16))
  assert jnp.sum(drawn, axis=(1, 2, 3)).astype(int).tolist() == [
    352,
    348,
    448,
    91,
    217,
    68,
    141,
    203,
    352,
    277,
    54,
    155,
    191,
    232,
    251,
    448,
  ]


@pytest.mark.slow
def test_evaluation_masks_do_not_depend_on_the_batch():
  evaluate = compiled_evaluation('mixture')
  index = np.array([5, 2, 9, 0, 7, 1, 3, 8, 4, 6, 11, 10, 12, 15, 14, 13])
  together = evaluate(0, np.arange(16))
  np.testing.assert_array_equal(evaluate(0, index), together[index])
  for i in range(0, 16, 4):
    np.testing.assert_array_equal(
      evaluate(0, index[i : i + 4]), together[index[i : i + 4]]
    )


def test_evaluation_masks_depend_on_seed_and_index():
  evaluate = compiled_evaluation('mixture')
  masks_0, masks_1 = (evaluate(seed, np.arange(16)) for seed in (0, 1))
  assert (masks_0 != masks_1).any(axis=(1, 2, 3)).all()
  assert len({np.asarray(mask).tobytes() for mask in masks_0}) == 16


@pytest.mark.slow
def test_compiled_and_not_compiled_masks_are_equal():
  np.testing.assert_array_equal(
    create('strokes')(jax.random.split(jax.random.key(0), 400)[:2], 32, 32),
    draw('strokes', 'medium', 32, 32)[:2, :, :, None],
  )


def test_single_stamps_are_discs_and_squares_of_both_sizes():
  disc4 = ~np.zeros((4, 4), bool)
  disc4[[0, 0, -1, -1], [0, -1, 0, -1]] = False
  disc8 = ~np.zeros((8, 8), bool)
  for y, x in [(0, 0), (0, 1), (1, 0)]:
    disc8[[y, y, -1 - y, -1 - y], [x, -1 - x, x, -1 - x]] = False
  stamps = [disc4, disc8, ~np.zeros((4, 4), bool), ~np.zeros((8, 8), bool)]
  counts = [0] * len(stamps)
  for hole in draw('stamps', 'medium', 32, 32, 2000):
    top, bottom, left, right = bounding_box(hole)
    for i, stamp in enumerate(stamps):
      counts[i] += np.array_equal(hole[top:bottom, left:right], stamp)
  # One mask in nine, and a few where one stamp covers all others.
  assert 180 < sum(counts) < 300
  assert min(counts) > 30


@pytest.mark.slow
def test_stamps_are_distributed_as_in_a_plain_simulation():
  rng = np.random.default_rng(0)
  y, x = np.mgrid[:32, :32]
  simulated = np.zeros((2000, 32, 32), bool)
  for hole in simulated:
    for _ in range(rng.integers(1, 10)):
      size = rng.choice([4, 8])
      top, left = rng.integers(0, 32 - size + 1, size=2)
      if rng.random() < 0.5:
        hole[top : top + size, left : left + size] = True
      else:
        centre = (size - 1) / 2
        hole |= np.hypot(y - top - centre, x - left - centre) <= size / 2
  drawn = draw('stamps', 'medium', 32, 32, 2000)
  quantiles = np.linspace(0.1, 0.9, 9)
  np.testing.assert_allclose(
    np.quantile(drawn.mean((1, 2)), quantiles),
    np.quantile(simulated.mean((1, 2)), quantiles),
    atol=0.015,
  )
  np.testing.assert_allclose(drawn.mean(0), simulated.mean(0), atol=0.06)


def test_strokes_are_as_thick_as_their_names():
  depth = [
    np.mean([ndimage.distance_transform_edt(hole).max() for hole in holes])
    for holes in (draw('strokes', name, 32, 32) for name in masks.BRUSHES)
  ]
  assert list(masks.BRUSHES) == ['thin', 'medium', 'thick']
  assert 1.5 * depth[0] < depth[1]
  assert 1.3 * depth[1] < depth[2]


@pytest.mark.slow
def test_strokes_scale_with_the_image():
  # Thick, because brushes thinner than a pixel do not scale.
  small = draw('strokes', 'thick', 32, 32).mean((1, 2))
  large = draw('strokes', 'thick', 128, 128, 200).mean((1, 2))
  assert abs(small.mean() - large.mean()) < 0.03


def test_strokes_hang_together():
  # Fewer pieces than segments: 4 or 5 strokes of 3 segments on average.
  pieces = [
    ndimage.label(hole, np.ones((3, 3)))[1]
    for hole in draw('strokes', 'medium', 32, 32)
  ]
  assert max(pieces) <= 6
  assert np.mean(pieces) < 4


def test_box_is_one_rectangle_of_the_promised_aspect():
  areas = []
  for hole in draw('box', 'medium', 64, 40):
    assert is_rectangle(hole)
    top, bottom, left, right = bounding_box(hole)
    aspect = ((bottom - top) / 64) / ((right - left) / 40)
    assert 0.45 < aspect < 2.2
    areas.append(hole.mean())
  np.testing.assert_allclose(
    np.quantile(areas, [0.25, 0.5, 0.75]), [0.1375, 0.225, 0.3125], atol=0.03
  )


def test_border_leaves_a_rectangle_away_from_the_chosen_sides():
  subsets = set()
  for hole in draw('border', 'medium', 64, 40):
    assert is_rectangle(~hole)
    top, bottom, left, right = bounding_box(~hole)
    subsets.add((top > 0, bottom < 64, left > 0, right < 40))
  assert len(subsets) == 15
  assert (False, False, False, False) not in subsets


def test_bands_of_the_border_are_never_rounded_away():
  # 0.05 of 8 pixels is less than half a pixel.
  assert draw('border', 'medium', 8, 8).any(axis=(1, 2)).all()


@pytest.mark.slow
def test_mixture_draws_each_kind_on_a_quarter_of_the_images():
  medium = draw('mixture', 'medium', 32, 32)
  borders = sum(is_rectangle(~hole) for hole in medium)
  # A border on one side only is a rectangle, too.
  boxes = sum(is_rectangle(h) and not is_rectangle(~h) for h in medium)
  # Masks that change with the brush are strokes.
  thick = draw('mixture', 'thick', 32, 32)
  strokes = (medium != thick).any((1, 2)).sum()
  stamps = 400 - boxes - borders - strokes
  assert all(70 < n < 130 for n in (stamps, strokes, boxes, borders))


@pytest.mark.parametrize(
  ('kind', 'brush', 'flag'),
  [
    ('stamp', 'medium', 'masks.kind'),
    ('stamps', 'fat', 'masks.strokes'),
  ],
)
def test_unknown_names_are_refused(kind, brush, flag):
  with pytest.raises(errors.UserError, match=flag):
    create(kind, brush)


def _save_masks(folder):
  """Writes 5 mask files of 64x64; returns the holes at 32x32 and 64x64."""
  holes = np.zeros((5, 64, 64), bool)
  for i, hole in enumerate(holes):
    hole[8 * i : 8 * i + 8, 16:40] = True
    hole[1, 3 + i] = True  # A thin hole, which no resizing may lose.
    path = folder / 'sub' / f'{i}.png' if i < 2 else folder / f'{i}.webp'
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(hole).convert('L').save(path, lossless=True)
  (folder / 'notes.txt').touch()
  (folder / '.hidden.png').touch()
  return holes.reshape(5, 32, 2, 32, 2).any((2, 4)), holes


def _create_files(folder, **changes):
  settings = {'kind': 'files', 'strokes': 'medium', 'source': str(folder)}
  return masks.create_sampler(ml_collections.ConfigDict(settings | changes))


def test_masks_from_files(tmp_path):
  small, large = _save_masks(tmp_path)
  sampler = _create_files(tmp_path)
  draw = jax.jit(sampler, static_argnums=(1, 2))
  keys = jax.random.split(jax.random.key(0), 200)
  for holes in small, large:
    drawn = draw(keys, *holes.shape[1:])
    assert drawn.shape == (200, *holes.shape[1:], 1)
    assert drawn.dtype == jnp.float32
    found = (np.asarray(drawn)[:, None, ..., 0] == holes).all((2, 3))
    assert (found.sum(1) == 1).all()
    # Each file as often as the others, up to chance.
    assert (abs(found.sum(0) - 40) < 25).all()
  index = np.array([3, 0, 11])
  alone = [masks.evaluation_masks(sampler, 0, i[None], 32, 32) for i in index]
  together = masks.evaluation_masks(sampler, 0, index, 32, 32)
  np.testing.assert_array_equal(np.concatenate(alone), together)


def test_folders_of_masks_that_cannot_be_used(tmp_path):
  for source in '', str(tmp_path / 'nothing'):
    with pytest.raises(errors.UserError, match='is no folder; set masks'):
      _create_files(source)
  with pytest.raises(errors.UserError, match='holds no mask'):
    _create_files(tmp_path)
  with pytest.raises(
    errors.UserError, match=r'has no effect with masks\.kind=box'
  ):
    _create_files(tmp_path, kind='box')
  with pytest.raises(
    errors.UserError, match='choose one of: border, box, files'
  ):
    _create_files('', kind='file')


@pytest.mark.parametrize(
  ('name', 'picture', 'message'),
  [
    ('full', Image.new('L', (32, 32), 255), 'full.png has no known pixel at'),
    (
      'empty',
      Image.new('L', (32, 32)),
      'empty.png has no hole: its largest brightness is 0 of 255; remove',
    ),
    (
      'wide',
      Image.new('L', (64, 32), 255),
      'each image is 32x32 pixels, the mask .*wide.png 64x32; bring the mask',
    ),
  ],
)
def test_files_that_are_no_masks(tmp_path, name, picture, message):
  picture.save(tmp_path / f'{name}.png')
  sampler = _create_files(tmp_path)
  with pytest.raises(errors.UserError, match=message):
    jax.jit(sampler, static_argnums=(1, 2))(
      jax.random.split(jax.random.key(0), 2), 32, 32
    )


def test_a_mask_of_a_wrong_shape_is_one_line(monkeypatch):
  draw = lambda key, height, width, brush: jnp.ones((height, width))
  monkeypatch.setitem(masks.MASKS, 'flat', draw)
  config = ml_collections.ConfigDict({'kind': 'flat', 'strokes': 'thin'})
  sampler = masks.create_sampler(config)
  with pytest.raises(
    errors.UserError,
    match=r'mask flat returns the shape \[8, 16\]; .* \[8, 16, 1\]',
  ):
    sampler(jax.random.split(jax.random.key(0), 2), 8, 16)


@pytest.mark.parametrize('hole', [True, 1, np.uint8(1), 255.0])
def test_a_mask_of_another_type_is_0_and_1(monkeypatch, hole):
  def draw(key, height, width, brush):
    del key, brush
    known = jnp.zeros((height, width, 1), np.asarray(hole).dtype)
    return known.at[2:4].set(hole)

  monkeypatch.setitem(masks.MASKS, 'rows', draw)
  config = ml_collections.ConfigDict({'kind': 'rows', 'strokes': 'thin'})
  mask = masks.create_sampler(config)(
    jax.random.split(jax.random.key(0)), 8, 16
  )
  assert mask.dtype == jnp.float32
  expected = np.zeros((2, 8, 16, 1))
  expected[:, 2:4] = 1
  np.testing.assert_array_equal(mask, expected)
