"""kinds.py: images of NumPy, JAX and Pillow come back as what they were."""

import io

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageOps
import pytest

from inpaint_jax import inference
from inpaint_jax.inpainting import kinds
from inpaint_jax.system import errors


def noise(*shape, dtype=np.uint8):
  most = np.iinfo(dtype).max
  return np.random.RandomState(0).randint(0, most + 1, shape).astype(dtype)


@pytest.fixture
def quick():
  return inference.Inpainter()


def hole_of(height=40, width=50):
  hole = np.zeros((height, width), bool)
  hole[10:20, 10:30] = True
  return hole


def opaque(array):
  """Makes alpha opaque: transparent pixels are tested elsewhere."""
  array = array.copy()
  array[..., -1] = np.iinfo(array.dtype).max
  return array


IMAGES = {
  'grey': noise(40, 50),
  'one channel': noise(40, 50, 1),
  'grey and alpha': opaque(noise(40, 50, 2)),
  'colours': noise(40, 50, 3),
  'colours and alpha': opaque(noise(40, 50, 4)),
  'deep grey': noise(40, 50, dtype=np.uint16),
  'deep alpha': opaque(noise(40, 50, 4, dtype=np.uint16)),
}


@pytest.mark.parametrize('name', IMAGES)
@pytest.mark.parametrize('wrap', [False, True])
def test_arrays_come_back_as_they_were(quick, name, wrap):
  image, hole = IMAGES[name], hole_of()
  result = quick(image, hole, feather=0, texture=False, wrap=wrap)
  assert isinstance(result, np.ndarray)
  assert (result.dtype, result.shape) == (image.dtype, image.shape)
  np.testing.assert_array_equal(result[~hole], image[~hole])
  assert (result[hole] != image[hole]).any()
  of_jax = quick(
    jnp.array(image), jnp.array(hole), feather=0, texture=False, wrap=wrap
  )
  assert isinstance(of_jax, jax.Array)
  np.testing.assert_array_equal(of_jax, result)


@pytest.mark.parametrize('mode', ['L', 'LA', 'RGB', 'RGBA', 'I;16'])
def test_images_of_pillow_come_back_as_they_were(quick, mode):
  hole = hole_of()
  if mode == 'I;16':
    image = Image.fromarray(IMAGES['deep grey'])
  else:
    image = Image.fromarray(IMAGES['colours']).convert(mode)
  image.info['icc_profile'] = b'profile'
  mask = Image.fromarray(np.uint8(hole) * 255)
  result = quick(image, mask, feather=0, texture=False)
  assert isinstance(result, Image.Image)
  assert (result.mode, result.size) == (mode, image.size)
  assert result.info == {'icc_profile': b'profile'}
  before, after = np.asarray(image), np.asarray(result)
  np.testing.assert_array_equal(after[~hole], before[~hole])
  assert (after[hole] != before[hole]).any()


@pytest.mark.parametrize('name', ['colours', 'grey'])
def test_a_transparent_colour_becomes_an_alpha_channel(quick, name):
  pixels = IMAGES[name].copy()
  pixels[:, :20] = 255
  key = 255 if pixels.ndim == 2 else (255, 255, 255)
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, 'PNG', transparency=key)
  image, hole = Image.open(file), hole_of()
  result = quick(image, hole)
  opaque = Image.open(file).convert('RGBA' if pixels.ndim == 3 else 'LA')
  assert result.mode == opaque.mode
  np.testing.assert_array_equal(result, quick(opaque, hole))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_a_photo_of_a_phone_keeps_its_exif(quick, kind):
  exif = Image.Exif()
  exif[0x0112], exif[0x010F] = 6, 'camera'
  file = io.BytesIO()
  photo = Image.fromarray(IMAGES['colours'])
  photo.save(file, 'JPEG', exif=exif, icc_profile=b'profile')
  image = Image.open(file)
  result = quick(image, hole_of(), texture=False)
  assert result.size == image.size
  file = io.BytesIO()
  result.save(file, kind, exif=result.getexif())
  saved = Image.open(file)
  assert saved.getexif()[0x010F] == 'camera'
  assert ImageOps.exif_transpose(saved).size == (40, 50)
  with pytest.raises(errors.UserError, match=r'50x40 .* 40x50; the image l'):
    quick(image, hole_of().T)
  quick(ImageOps.exif_transpose(image), hole_of().T, texture=False)


def test_damaged_exif_is_dropped(quick):
  image = Image.fromarray(IMAGES['colours'])
  image.info['exif'] = b'nothing'
  assert not quick(image, hole_of(), texture=False).info


def test_a_grey_image_is_filled_as_its_colours_are(quick):
  grey = IMAGES['grey']
  colours = quick(np.stack([grey] * 3, axis=2), hole_of(), texture=False)
  result = quick(grey, hole_of(), texture=False)
  np.testing.assert_allclose(result, colours[..., 0], atol=1)


def test_several_come_back_as_several(quick):
  hole = hole_of()
  for image in (noise(2, 40, 50), noise(2, 40, 50, 1), noise(2, 40, 50, 3)):
    result = quick(image, np.stack([hole] * 2), texture=False)
    assert isinstance(result, np.ndarray)
    assert result.shape == image.shape
    np.testing.assert_array_equal(
      result[1], quick(image[1], hole, texture=False)
    )
    assert isinstance(
      quick(jnp.array(image), [hole] * 2, texture=False), jax.Array
    )
  pair = [Image.fromarray(noise(40, 50)), jnp.array(noise(40, 50, 3))]
  first, second = quick(pair, [Image.fromarray(hole), hole], texture=False)
  assert isinstance(first, Image.Image)
  assert isinstance(second, jax.Array)


@pytest.mark.parametrize(
  ('image', 'message'),
  [
    ('photo.jpg', 'the image is a str; wanted an array of NumPy or JAX'),
    (None, 'the image is a NoneType'),
    (Image.new('P', (50, 40)), r"of mode P; .*image.convert\('RGB'\)"),
    (Image.new('F', (50, 40)), r'of mode F; .*: bring np.asarray\(image\) to'),
    (Image.new('I;16B', (50, 40)), 'of mode I;16B; .* to uint8 or uint16'),
    (noise(40, 50, 3) / 255, r'is float64 \[40, 50, 3\]; .*np.rint'),
    (noise(3, 40, 50), 'channels come last'),
    (noise(40, 50, 5), r'\[40, 50, 5\]; wanted uint8 or uint16'),
    (noise(40), 'wanted uint8 or uint16'),
    (noise(40, 50).astype(int), 'is int64'),
    (noise(40, 50).astype('>u2'), r"order .* image.astype\('uint16'\)"),
  ],
)
def test_what_is_no_image_is_one_line_before_the_work(quick, image, message):
  with pytest.raises(errors.UserError, match=message) as caught:
    quick(image, hole_of())
  assert '\n' not in str(caught.value)


def test_a_damaged_file_of_pillow(quick):
  file = io.BytesIO()
  Image.fromarray(noise(40, 50, 3)).save(file, 'PNG')
  image = Image.open(io.BytesIO(file.getvalue()[:2000]))
  with pytest.raises(errors.UserError, match='the image cannot be read'):
    quick(image, hole_of())


def test_a_traced_image():
  with pytest.raises(errors.UserError, match='outside of jit'):
    jax.jit(lambda image: kinds.unpack(image, None).pixels)(noise(40, 50, 3))


def test_one_mask_for_several_images(quick):
  hole = hole_of()
  for mask in (hole, hole[..., None], Image.fromarray(hole)):
    for count in (1, 2):
      with pytest.raises(
        errors.UserError, match=f'batch of {count}, but mask is a single mask'
      ):
        quick(noise(count, 40, 50, 3), mask)
  with pytest.raises(errors.UserError, match='batch of 2, but mask is a sin'):
    quick(noise(2, 40, 50), hole)
  # These have their channels first, or too many.
  for image in (noise(3, 40, 50), noise(40, 50, 7)):
    with pytest.raises(errors.UserError, match='the image is uint8'):
      quick(image, hole)


@pytest.mark.parametrize('images', [[], noise(0, 40, 50, 3)])
def test_no_images(quick, images):
  with pytest.raises(errors.UserError, match='there are no images'):
    quick(images, [])


@pytest.mark.parametrize('shape', [(0, 9, 3), (8, 0, 3), (0, 9)])
def test_an_image_without_pixels(quick, shape):
  image, mask = np.zeros(shape, np.uint8), np.zeros(shape[:2], bool)
  with pytest.raises(errors.UserError, match=r'image has no pixels: \['):
    quick(image, mask)


def test_a_guide_that_is_no_name():
  with pytest.raises(errors.UserError, match="guide=None; wanted 'none'"):
    inference.load(None)
  with pytest.raises(errors.UserError, match=r"; 'none' and \.onnx files work"):
    inference.load('nothing')


HOLE = np.eye(8, 9, dtype=bool)
WHITE = np.uint8(HOLE) * 255


@pytest.mark.parametrize(
  'mask',
  [
    HOLE,
    np.where(HOLE, 128, 127).astype(np.uint8),
    HOLE[..., None],
    HOLE * 1.0,
    HOLE.astype(np.float16) / 2,
    jnp.array(HOLE),
    jnp.array(HOLE, jnp.float32),
    jnp.array(HOLE, jnp.bfloat16),
    HOLE.astype(jnp.bfloat16),
    HOLE.tolist(),
    Image.fromarray(WHITE),
    Image.fromarray(WHITE).convert('1'),
    Image.fromarray(WHITE).convert('P'),
    Image.fromarray(WHITE).convert('RGB'),
    Image.fromarray(np.stack([WHITE] * 4, axis=2)),
  ],
)
def test_what_is_a_mask(mask):
  found = kinds.to_hole(mask, 8, 9)
  assert found.dtype == bool
  np.testing.assert_array_equal(found, HOLE)


@pytest.mark.parametrize(
  ('mask', 'message'),
  [
    (HOLE * 255.0, r'float64 with values outside of \[0, 1\]; give a bool'),
    (HOLE * np.nan, 'outside of'),
    (jnp.array(HOLE * 255, jnp.bfloat16), 'the mask is bfloat16 with values'),
    (HOLE * 1, 'wanted bool, uint8 or float'),
    (np.uint8(HOLE), '1 as its largest value; give mask > 0'),
    (np.stack([WHITE] * 3, axis=2), r'\[8, 9, 3\]; .* mask\[\.\.\., 0\] > 0'),
    ('mask.png', 'the mask is a str; wanted bool, uint8 or float'),
    (None, 'the mask is a NoneType; wanted bool, uint8 or float'),
    ([[1], [1, 2]], 'cannot be read as an array'),
    (HOLE[:, :8], 'image is 9x8 pixels, the mask 8x8'),
    (HOLE & False, 'has no hole'),
    (np.full((8, 9), 127, np.uint8), 'no hole: its largest value is 127 of 25'),
    (HOLE | True, 'marks the whole image as the hole'),
  ],
)
def test_what_is_no_mask(mask, message):
  with pytest.raises(errors.UserError, match=message) as caught:
    kinds.to_hole(mask, 8, 9)
  assert '\n' not in str(caught.value)
