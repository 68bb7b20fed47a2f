"""What is written: pixels, alpha, the settings of JPEG and WebP."""

import dataclasses
import io

import cv2
import numpy as np
from photos import samples
from PIL import Image, ImageCms
import pytest

from inpaint_jax.photos import picture_files
from inpaint_jax.photos.picture import Picture


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'WEBP'])
@pytest.mark.parametrize('alpha', [False, True])
@pytest.mark.parametrize('grey', [False, True])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_pixels_survive_without_loss(dtype, grey, alpha, kind):
  pixels = samples.noise(37, 53, 1 if grey else 3, dtype)
  pixels = np.broadcast_to(pixels, (37, 53, 3))
  opacity = samples.noise(37, 53, 1, dtype, seed=1)[..., 0] if alpha else None
  data, _ = samples.saved(Picture(pixels, opacity, grey, lossless=True), kind)
  again = picture_files.read(data)
  if kind == 'WEBP' and dtype == np.uint16:
    assert again.pixels.dtype == np.uint8
    np.testing.assert_array_equal(again.pixels, np.rint(pixels / 257))
    return
  assert again.pixels.dtype == dtype
  np.testing.assert_array_equal(again.pixels, pixels)
  if alpha:
    np.testing.assert_array_equal(again.alpha, opacity)
  else:
    assert again.alpha is None
  is_odd = kind == 'TIFF' and dtype == np.uint16 and alpha
  assert again.grey == (grey and kind != 'WEBP' and not is_odd)
  assert again.notes == ()


@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_another_library_reads_and_writes_the_same(kind, channels, dtype):
  """The order of OpenCV's channels is blue, green, red."""
  values = samples.noise(37, 53, channels, dtype)
  if (kind, channels, dtype) == ('TIFF', 4, np.uint8):
    # OpenCV multiplies these with their alpha.
    values[..., 3] = 255
  pixels = np.broadcast_to(values[..., :3], (37, 53, 3))
  opacity = values[..., 3] if channels == 4 else None
  data, _ = samples.saved(Picture(pixels, opacity, grey=channels == 1), kind)
  order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
  theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
  np.testing.assert_array_equal(
    theirs.reshape(values.shape), values[..., order]
  )
  ending = {'PNG': '.png', 'TIFF': '.tif'}[kind]
  _, written = cv2.imencode(ending, values[..., order])
  ours = picture_files.read(written.tobytes())
  np.testing.assert_array_equal(ours.pixels, pixels)
  assert ours.pixels.dtype == dtype
  assert ours.grey == (channels == 1)


def test_transparency_is_laid_over_white_with_a_line():
  alpha = np.uint8([[0, 128, 255, 255] * 2] * 8)
  picture = Picture(np.full((8, 8, 3), 40, np.uint8), alpha)
  data, lines = samples.saved(picture, 'JPEG')
  assert lines == ['JPEG has no room for transparency (it is laid over white)']
  row = Image.open(io.BytesIO(data)).convert('RGB')
  row = np.asarray(row, int)[0, :, 0]
  assert abs(row - [255, 147, 40, 40] * 2).max() <= 6
  opaque = dataclasses.replace(picture, alpha=np.full((8, 8), 255, np.uint8))
  assert samples.saved(opaque, 'JPEG')[1] == []


@pytest.mark.parametrize('turn', [1, 6])
@pytest.mark.parametrize('subsampling', [0, 1, 2])
def test_jpeg_is_compressed_as_it_was(subsampling, turn):
  """This loses less than the highest quality would."""
  # Like a photo: rough in brightness, smooth in colour.
  rough = np.uint8(samples.smooth() * 0.6 + samples.noise(48, 64, 1) * 0.4)
  exif = Image.Exif()
  exif[0x0112] = turn
  photo = samples.pillow_bytes(
    Image.fromarray(rough),
    'JPEG',
    quality=80,
    subsampling=subsampling,
    progressive=True,
    exif=exif,
  )
  picture = picture_files.read(photo)

  def error(picture):
    again = picture_files.read(samples.saved(picture, 'JPEG')[0])
    return np.abs(again.pixels - picture.pixels.astype(int)).mean()

  other = dataclasses.replace(picture, jpeg=None)
  assert error(picture) < error(other)
  written = Image.open(io.BytesIO(samples.saved(picture, 'JPEG')[0]))
  assert written.info['progressive']
  source = Image.open(io.BytesIO(photo))
  if turn == 1:
    assert written.quantization == source.quantization
    assert written.layer == source.layer
  elif subsampling == 1:
    # Turned, this is 4:2:2 on its side, which Pillow cannot write.
    assert written.layer[0][1:3] == (1, 1)
  else:
    assert [x[1:3] for x in written.layer] == [x[1:3] for x in source.layer]


def test_jpeg_without_a_past_keeps_its_colours_and_quality():
  data, _ = samples.saved(Picture(samples.smooth()), 'JPEG')
  image = Image.open(io.BytesIO(data))
  assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
  assert np.abs(np.asarray(image) - samples.smooth().astype(int)).mean() < 1


def test_webp_without_loss_stays_so():
  image = Image.fromarray(samples.noise(16, 16, 3))
  icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  for lossless in (False, True):
    for options in ({}, {'icc_profile': icc}):
      photo = samples.pillow_bytes(image, 'WEBP', lossless=lossless, **options)
      picture = picture_files.read(photo)
      assert picture.lossless == lossless
      again = picture_files.read(samples.saved(picture, 'WEBP')[0])
      assert np.array_equal(again.pixels, picture.pixels) == lossless


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'BMP', 'GIF', 'JPEG'])
def test_webp_is_without_loss_if_the_source_was(kind):
  image = Image.fromarray(samples.noise(16, 16, 3))
  picture = picture_files.read(samples.pillow_bytes(image, kind))
  again = picture_files.read(samples.saved(picture, 'WEBP')[0])
  assert np.array_equal(again.pixels, picture.pixels) == (kind != 'JPEG')
