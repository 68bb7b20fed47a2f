"""What script and page make of a photo: its hole, its alpha, its edges."""

import numpy as np
import PIL.Image
import pytest

from inpaint_jax.inpainting import photo_filling, transparency
from inpaint_jax.photos.metadata import Metadata
from inpaint_jax.photos.photo_jobs import Job
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors


def paint_grey(image, hole):
  """Fills alpha as an inpainter does, and colours with grey."""

  def fill(pixels, hole, allowed):
    return np.where(hole[..., None], pixels.dtype.type(77), pixels), None

  if image.shape[2] == 3:
    return fill(image, hole, ~hole)[0]
  pixels, alpha, _ = transparency.fill_with_alpha(
    fill, image[..., :3], image[..., 3], hole, ~hole
  )
  return np.dstack([pixels, alpha])


def noise(height=40, width=50):
  return np.random.RandomState(0).randint(0, 256, (height, width, 3), np.uint8)


def erased(dtype=np.uint8):
  """Returns alpha with a hole of soft rim, and translucent pixels elsewhere."""
  opaque = np.iinfo(dtype).max
  alpha = np.full((40, 50), opaque, dtype)
  alpha[9:21, 9:31] = opaque * 3 // 4
  alpha[10:20, 10:30] = 0
  alpha[30:35, 40] = opaque * 3 // 4
  return alpha


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('with_mask', [False, True])
def test_soft_rim_of_a_filled_hole_becomes_opaque(dtype, with_mask):
  alpha = erased(dtype)
  picture = Picture(noise().astype(dtype), alpha)
  # The page passes transparent pixels as a mask.
  mask = alpha == 0 if with_mask else None
  picture, hole = photo_filling.prepare(picture, mask)
  np.testing.assert_array_equal(hole, alpha == 0)
  result = picture.with_image(paint_grey(picture.image, hole))
  expected = np.full_like(alpha, np.iinfo(dtype).max)
  expected[30:35, 40] = alpha[30:35, 40]
  np.testing.assert_array_equal(result.alpha, expected)
  np.testing.assert_array_equal(result.pixels[~hole], picture.pixels[~hole])
  assert (result.pixels[hole] == 77).all()


def test_a_hole_filled_in_part_keeps_its_outline():
  alpha = erased()
  mask = np.zeros(alpha.shape, bool)
  mask[:, :20] = True
  picture, hole = photo_filling.prepare(Picture(noise(), alpha), mask)
  result = picture.with_image(paint_grey(picture.image, hole))
  np.testing.assert_array_equal(result.alpha[~mask], alpha[~mask])
  # The transparency next to the filled part goes on into it.
  assert result.alpha[15, 19] == 0
  assert (result.alpha[:, :10] == 255).all()


def test_glass_beside_a_hole_stays_translucent():
  alpha = np.full((40, 50), 200, np.uint8)
  mask = np.zeros(alpha.shape, bool)
  mask[10:20, 10:20] = True
  picture = Picture(noise(), alpha)
  result = picture.with_image(paint_grey(picture.image, mask))
  np.testing.assert_array_equal(result.alpha, alpha)


def test_a_picture_with_another_image():
  alpha = erased()
  for picture in (Picture(noise(), alpha), Picture(noise())):
    result = picture.with_image(255 - picture.image)
    np.testing.assert_array_equal(result.pixels, 255 - noise())
    if picture.alpha is None:
      assert result.alpha is None
    else:
      np.testing.assert_array_equal(result.alpha, 255 - alpha)


@pytest.mark.parametrize('channels', [3, 4])
def test_what_is_added_around_the_photo_is_hole(channels):
  alpha = erased() if channels == 4 else None
  picture, hole = photo_filling.prepare(
    Picture(noise(), alpha), expand={'left': 8, 'top': 3, 'right': 0}
  )
  expected = np.ones((43, 58), bool)
  expected[3:, 8:] = False if alpha is None else alpha == 0
  np.testing.assert_array_equal(hole, expected)
  np.testing.assert_array_equal(picture.pixels[3:, 8:], noise())
  result = picture.with_image(paint_grey(picture.image, hole))
  if alpha is not None:
    assert (result.alpha == 255).sum() == 43 * 58 - 5


@pytest.mark.parametrize('pixels', [0, 1, 3])
def test_dilation_is_by_that_many_pixels(pixels):
  mask = np.zeros((40, 50), bool)
  mask[0, 4] = mask[7, 49] = True
  expected = mask.copy()
  for y, x in zip(*np.nonzero(mask), strict=True):
    top, left = max(0, y - pixels), max(0, x - pixels)
    expected[top : y + pixels + 1, left : x + pixels + 1] = True
  _, hole = photo_filling.prepare(Picture(noise()), mask, dilate=pixels)
  np.testing.assert_array_equal(hole, expected)


def test_dilation_to_all_of_the_photo():
  mask = np.zeros((40, 50), bool)
  mask[7, 9] = True
  with pytest.raises(errors.UserError, match='dilate=99 makes all of the'):
    photo_filling.prepare(Picture(noise()), mask, dilate=99)


def test_dilation_makes_no_glass_opaque():
  alpha = erased()
  alpha[9:21, 33:40] = 200  # Two pixels from the rim.
  picture, hole = photo_filling.prepare(Picture(noise(), alpha), dilate=6)
  result = picture.with_image(paint_grey(picture.image, hole))
  np.testing.assert_array_equal(result.alpha[:, 36:], alpha[:, 36:])
  assert (result.alpha[:, :36] == 255).all()


def test_too_much_cannot_be_added():
  with pytest.raises(errors.UserError, match='at most 150 megapixels'):
    photo_filling.prepare(Picture(noise()), expand={'left': 10**9})


def test_a_panorama_has_its_new_size():
  xmp = (
    b'<a GPano:CroppedAreaImageHeightPixels="40" GPano:FullPanoHeightPixels='
    b'"50" GPano:CroppedAreaTopPixels="9"/>'
  )
  picture = Picture(noise(), metadata=Metadata(xmp=xmp))
  expanded, _ = photo_filling.prepare(picture, expand={'top': 7, 'bottom': 1})
  assert expanded.metadata.xmp == xmp.replace(b'40', b'48').replace(b'9', b'2')


def test_jpeg_settings_hold_while_the_blocks_stay_in_place():
  settings = {'qtables': [[1] * 64], 'subsampling': 0}
  picture = Picture(noise(), jpeg=settings)
  for sides, kept in (
    ({'left': 16, 'right': 3}, True),
    ({'left': 8}, False),
    ({'top': 1}, False),
  ):
    expanded, _ = photo_filling.prepare(picture, expand=sides)
    assert (expanded.jpeg == settings) == kept


@pytest.mark.parametrize(
  ('alpha', 'mask', 'message'),
  [
    (None, None, 'no transparent pixels to fill; name a mask'),
    (255, None, 'no transparent pixels to fill'),
    (0, None, 'all of the photo is transparent, so'),
    (None, False, 'the mask has no hole'),
    (None, True, 'marks the whole image as the hole'),
  ],
)
def test_no_hole_and_nothing_but_hole(alpha, mask, message):
  pixels = noise()
  shape = pixels.shape[:2]
  alpha = None if alpha is None else np.full(shape, alpha, np.uint8)
  mask = None if mask is None else np.full(shape, mask)
  with pytest.raises(errors.UserError, match=message):
    photo_filling.prepare(Picture(pixels, alpha), mask)


def test_dilation_goes_on_across_the_border():
  mask = np.zeros((40, 50), bool)
  mask[7, 49] = True
  _, hole = photo_filling.prepare(Picture(noise()), mask, dilate=2, wrap=True)
  assert hole.sum() == 25
  assert hole[5:10, :2].all()
  with pytest.raises(errors.UserError, match='top and bottom only'):
    photo_filling.prepare(Picture(noise()), expand={'left': 3}, wrap=True)


def write(path, array):
  PIL.Image.fromarray(array).save(path)
  return path


@pytest.fixture
def job(tmp_path):
  """A photo with its mask on disk."""
  hole = np.zeros((40, 50), np.uint8)
  hole[10:20, 10:30] = 255
  return Job(
    write(tmp_path / 'photo.png', noise()),
    write(tmp_path / 'mask.png', hole),
    tmp_path / 'out.png',
  )


def test_what_may_be_copied_moves_with_the_photo(job, tmp_path):
  source = np.zeros((40, 50), np.uint8)
  source[:, :30] = 255
  # An odd mask, since it is mostly grey.
  avoid = np.full((80, 100), 100, np.uint8)
  avoid[60:64] = 255
  picture, hole, limits, _ = photo_filling.prepare_job(
    job,
    source=write(tmp_path / 'source.png', source),
    avoid=write(tmp_path / 'avoid.png', avoid),
    invert_mask=True,
    expand={'left': 3, 'bottom': 2},
  )
  assert hole.shape == (42, 53)
  assert not hole[10:20, 13:33].any()
  np.testing.assert_array_equal(
    limits['source'], np.pad(source > 0, [(0, 2), (3, 0)])
  )
  np.testing.assert_array_equal(
    limits['avoid'], np.pad(avoid[::2, ::2] == 255, [(0, 2), (3, 0)])
  )
  assert 'avoid.png is not black and white' in picture.notes[-1]


def test_what_is_not_limited(job):
  assert photo_filling.prepare_job(job).limits == {}


def test_a_result_must_be_no_input(job, tmp_path):
  source = write(tmp_path / 'source.png', np.full((40, 50), 255, np.uint8))
  with pytest.raises(errors.UserError, match=r'source\.png would overwrite'):
    photo_filling.prepare_job(job, outs=[job.out, source], source=source)
