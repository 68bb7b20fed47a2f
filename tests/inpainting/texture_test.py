"""texture.py: grain where there is some around, and none where there is not."""

from concurrent import futures

import numpy as np
import pytest
from scipy import ndimage

from inpaint_jax.inpainting import texture


def disc(height, width, radius):
  y, x = np.mgrid[:height, :width]
  return np.hypot(y - height // 2, x - width // 2) <= radius


def smoothed(image, hole):
  """The image with its hole as smooth as a model paints it."""
  blurred = ndimage.gaussian_filter(image, (8, 8, 0))
  return np.where(hole[..., None], blurred, image).astype(np.float32)


def stripes(size=96):
  """Diagonal stripes with a period of 8 pixels, with noise."""
  rng = np.random.default_rng(0)
  y, x = np.mgrid[:size, :size]
  wave = 0.5 + 0.3 * np.sign(np.sin((x + y + 0.5) * (2 * np.pi / 8)))
  noise = rng.normal(0, 0.03, (size, size, 3))
  return np.clip(wave[..., None] + noise, 0, 1).astype(np.float32)


def noise(size=96):
  rng = np.random.default_rng(0)
  return rng.uniform(0.3, 0.7, (size, size, 3)).astype(np.float32)


def contrast(image, hole):
  return image[ndimage.binary_erosion(hole, iterations=3)].std()


@pytest.mark.parametrize('draw', [stripes, noise])
def test_texture_comes_back(draw):
  image, hole = draw(), disc(96, 96, 18)
  smooth = smoothed(image, hole)
  result = texture.synthesize_texture(smooth, hole)
  assert contrast(smooth, hole) < 0.3 * contrast(image, hole)
  assert 0.7 < contrast(result, hole) / contrast(image, hole) < 1.1


def test_stripes_have_their_period_and_direction():
  image, hole = stripes(), disc(96, 96, 18)
  smooth = smoothed(image, hole)
  result = texture.synthesize_texture(smooth, hole)
  inside = slice(36, 60), slice(36, 60)

  def alike(a):
    a, b = a[inside], image[inside]
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]

  # The phase, too: stripes go on from what is known.
  assert alike(smooth) < 0.3
  assert alike(result) > 0.8


def test_a_gradient_stays_smooth():
  y, x = np.mgrid[:96, :128] / 128
  image = np.stack([y, x, 1 - x], axis=-1).astype(np.float32)
  hole = disc(96, 128, 25)
  result = texture.synthesize_texture(image, hole)
  assert np.abs(result - image).max() < 0.01


def test_what_is_elsewhere_is_not_copied_into_a_sky():
  """A bird in the sky and rocks below it stay where they are."""
  rng = np.random.default_rng(0)
  image = np.full((128, 128, 3), [0.4, 0.6, 0.9], np.float32)
  image += np.linspace(0, 0.1, 128, dtype=np.float32)[:, None, None]
  image[100:] = rng.uniform(0, 0.4, (28, 128, 3))
  image[20:23, 20:27] = 0.1
  hole = np.zeros((128, 128), bool)
  hole[30:80, 40:90] = True
  result = texture.synthesize_texture(image, hole)
  assert np.abs(result - image).max() < 0.03


def test_colours_larger_than_the_grain_are_kept():
  image, hole = noise(), disc(96, 96, 20)
  image[:, :48] *= 0.5
  smooth = smoothed(image, hole)
  result = texture.synthesize_texture(smooth, hole)
  low, wanted = (
    ndimage.gaussian_filter(x, (6, 6, 0)) for x in (result, smooth)
  )
  assert np.abs(low - wanted)[hole].max() < 0.05


@pytest.mark.parametrize(
  ('height', 'width'), [(16, 16), (7, 7), (6, 40), (1, 1), (33, 90), (64, 64)]
)
@pytest.mark.parametrize('kind', ['one', 'corner', 'half', 'most', 'all', 'no'])
def test_known_pixels_stay_bit_for_bit(height, width, kind):
  rng = np.random.default_rng(0)
  image = rng.uniform(0, 1, (height, width, 3)).astype(np.float32)
  hole = np.full((height, width), kind in ('most', 'all'))
  if kind == 'one':
    hole[height // 2, width // 2] = True
  elif kind == 'corner':
    hole[: height // 3, : width // 3] = True
  elif kind == 'half':
    hole[:, : width // 2] = True
  elif kind == 'most':
    hole[0, 0] = False
  before = image.copy()
  result = texture.synthesize_texture(image, hole)
  np.testing.assert_array_equal(image, before)
  assert result is not image
  assert result.dtype == np.float32
  np.testing.assert_array_equal(result[~hole], image[~hole])
  assert (result >= 0).all()
  assert (result <= 1).all()
  if kind in ('most', 'all', 'no') or min(height, width) < 16:
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize('side', ['left', 'top', 'bottom'])
def test_texture_reaches_the_edge_of_the_image(side):
  image = noise()
  hole = np.zeros((96, 96), bool)
  strip = {'left': np.s_[:, :12], 'top': np.s_[:12], 'bottom': np.s_[-12:]}
  hole[strip[side]] = True
  smooth = smoothed(image, hole)
  result = texture.synthesize_texture(smooth, hole)
  for line in (
    result[strip[side]],
    result[hole & (np.indices((96, 96)) % 95 == 0).any(0)],
  ):
    assert line.std() > 0.7 * image.std()


@pytest.mark.slow
def test_equal_seeds_give_equal_images_in_threads():
  image, hole = noise(), disc(96, 96, 18)
  smooth = smoothed(image, hole)
  once = texture.synthesize_texture(smooth, hole, seed=1)
  with futures.ThreadPoolExecutor(3) as pool:
    runs = [
      pool.submit(texture.synthesize_texture, smooth, hole, seed=1)
      for _ in range(3)
    ]
    for run in runs:
      np.testing.assert_array_equal(run.result(), once)
  assert (texture.synthesize_texture(smooth, hole, seed=2) != once).any()


def test_many_patches_follow_those_of_the_scale_before(monkeypatch):
  image, hole = stripes(), disc(96, 96, 18)
  smooth = smoothed(image, hole)
  searched = texture.synthesize_texture(smooth, hole)
  # 48x48 has fewer than 800 patches, 96x96 more.
  monkeypatch.setattr(texture, 'MAX_PATCHES', 800)
  result = texture.synthesize_texture(smooth, hole)
  assert (result != searched).any()
  assert contrast(result, hole) > 0.8 * contrast(image, hole)
