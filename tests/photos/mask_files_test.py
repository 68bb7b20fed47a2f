"""Masks: what counts as hole, at which size, and what is refused."""

import numpy as np
from photos import samples
from PIL import Image, ImageDraw, ImageFilter, ImageOps
import pytest

from inpaint_jax.photos import mask_files
from inpaint_jax.system import errors


def hole_of(height=40, width=50):
  hole = np.zeros((height, width), bool)
  hole[10:20, 10:30] = True
  return hole


file_of = samples.pillow_bytes


@pytest.mark.parametrize(
  'mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16', 'CMYK', 'JPEG', 'layer']
)
def test_white_is_hole_in_a_file_of_any_kind(mode):
  hole = hole_of()
  image = Image.fromarray(np.uint8(hole) * 255)
  kind, options = 'PNG', {}
  if mode == 'layer':
    # White strokes on a layer that is white and transparent elsewhere.
    image, alpha = Image.new('RGBA', image.size, 'white'), image
    image.putalpha(alpha)
  elif mode == 'I;16':
    values = np.uint16(hole) * 65535
    image = Image.frombytes(mode, image.size, values.tobytes())
  elif mode == 'JPEG':
    kind, options = 'JPEG', {'quality': 60}
  else:
    image = image.convert(mode)
    kind = 'TIFF' if mode == 'CMYK' else 'PNG'
  found, _ = mask_files.read(file_of(image, kind, **options), 40, 50)
  assert found.dtype == bool
  np.testing.assert_array_equal(found, hole)


@pytest.mark.parametrize('mode', ['1', 'L', 'I;16'])
def test_white_may_be_zero_in_a_tiff_file(mode):
  hole = hole_of()
  if mode == 'I;16':
    values = np.uint16(~hole)[..., None] * 65535
    data = samples.bare_tiff(values, b'II', photometric=0)
  else:
    image = Image.fromarray(np.uint8(hole) * 255).convert(mode)
    data = file_of(image, 'TIFF', tiffinfo={262: 0})
  found, _ = mask_files.read(data, 40, 50)
  np.testing.assert_array_equal(found, hole)


def test_soft_edges_count_from_half():
  values = np.uint8([[0, 127, 128, 255]])
  found, _ = mask_files.read(file_of(Image.fromarray(values)), 1, 4)
  assert found.tolist() == [[False, False, True, True]]


def test_a_mask_is_turned_upright():
  exif = Image.Exif()
  exif[0x0112] = 6
  turned = Image.fromarray(np.uint8(hole_of()) * 255).rotate(90, expand=True)
  found, _ = mask_files.read(file_of(turned, exif=exif), 40, 50)
  np.testing.assert_array_equal(found, hole_of())


@pytest.mark.parametrize('factor', [2, 3])
def test_a_mask_of_the_same_aspect_is_brought_to_size(factor):
  hole = hole_of()
  large = np.kron(hole, np.ones((factor, factor), bool))
  for small, wanted in ((hole, large), (large, hole)):
    data = file_of(Image.fromarray(np.uint8(small) * 255))
    found, _ = mask_files.read(data, *wanted.shape)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize('size', [(300, 400), (7, 9), (39, 50), (1200, 1600)])
@pytest.mark.parametrize('invert', [False, True])
def test_no_line_of_a_larger_mask_is_lost(size, invert):
  """A pixel is hole if any mask pixel that overlaps it is."""
  height, width = size
  values = np.zeros((height * 1207 // 300, width * 1207 // 300), np.uint8)
  rows, columns = values.shape
  lines = [(rows // 2, slice(5, -9)), (slice(3, None), columns - 1)]
  expected = np.zeros(size, bool)
  for line in lines:
    values[line] = 255
  for y, x in np.argwhere(values):
    # All pixels of the photo that this pixel of the mask overlaps.
    top, left = y * height // rows, x * width // columns
    bottom = -(-(y + 1) * height // rows)
    right = -(-(x + 1) * width // columns)
    expected[top:bottom, left:right] = True
  values = 255 - values if invert else values
  data = file_of(Image.fromarray(values))
  found, _ = mask_files.read(data, height, width, invert=invert)
  np.testing.assert_array_equal(found, expected)


def test_what_is_not_black_and_white_is_a_line():
  soft = np.uint8([[0] * 90 + [20, 100, 150, 230] + [255] * 6])
  ramp = np.arange(256, dtype=np.uint8)[None]
  strokes = np.uint8([[0] * 96 + [150] * 4])
  for values, grey in ((soft, None), (ramp, '50.0%'), (strokes, '4.0%')):
    for invert in (False, True):
      data = file_of(Image.fromarray(255 - values if invert else values))
      _, notes = mask_files.read(
        data, *values.shape, invert=invert, name='m.png'
      )
      assert len(notes) == (grey is not None)
      if grey:
        assert notes[0].startswith(f'm.png is not black and white, {grey} of')


def test_of_several_pictures_the_first_is_the_mask():
  image = Image.fromarray(np.uint8(hole_of()) * 255)
  data = file_of(image, 'TIFF', save_all=True, append_images=[image])
  found, notes = mask_files.read(data, 40, 50, name='m.tif')
  np.testing.assert_array_equal(found, hole_of())
  assert notes == ['m.tif holds 2 images; the first is the mask']


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'GIF'])
def test_a_mask_that_shows_the_photo_is_refused(kind):
  photo = samples.smooth(40, 50)
  data = file_of(Image.fromarray(photo), kind)
  with pytest.raises(errors.UserError, match=r'm\.x is the photo itself'):
    mask_files.read(data, 40, 50, photo=photo, name='m.x')
  deep = photo.astype(np.uint16) * 257
  with pytest.raises(errors.UserError, match='is the photo itself'):
    mask_files.read(data, 40, 50, photo=deep)
  mask_files.read(data, 40, 50, photo=photo[::-1])


def _changed_copy(kind):
  copy = Image.fromarray(samples.smooth(200, 300))
  if kind == 'half':
    return copy.resize((150, 100), Image.Resampling.LANCZOS)
  if kind == 'double':
    return copy.resize((600, 400), Image.Resampling.BICUBIC)
  if kind == 'erased':
    alpha = Image.new('L', copy.size, 255)
    alpha.paste(0, (50, 50, 150, 150))
    copy.putalpha(alpha)
  elif kind == 'scribbled':
    for colour in ('white', 'red'):
      ImageDraw.Draw(copy).line([(9, 9), (250, 99), (30, 190)], colour, 9)
  return copy


@pytest.mark.parametrize('kind', ['half', 'double', 'erased', 'scribbled'])
def test_a_changed_copy_of_the_photo_is_refused(kind):
  photo, data = samples.smooth(200, 300), file_of(_changed_copy(kind))
  with pytest.raises(errors.UserError, match='is the photo itself, or a copy'):
    mask_files.read(data, 200, 300, photo=photo)


@pytest.mark.parametrize('invert', [False, True])
def test_a_soft_mask_is_no_copy(invert):
  for photo in (samples.smooth(200, 300), np.zeros((200, 300, 3), np.uint8)):
    mask = Image.fromarray(np.uint8(hole_of(200, 300)) * 200)
    mask = mask.filter(ImageFilter.GaussianBlur(9))
    mask = ImageOps.invert(mask) if invert else mask
    mask_files.read(file_of(mask), 200, 300, photo=photo)


def test_a_mask_like_a_photo_in_black_and_white_is_a_mask(tmp_path):
  values = np.uint8(hole_of()) * 255
  paths = [tmp_path / name for name in ('a.png', 'b.png', 'm.png')]
  for path in paths[:2]:
    Image.fromarray(values).save(path)
  Image.fromarray(255 - values).save(paths[2])
  photo = np.repeat(values[..., None], 3, axis=2)
  mask_files.read(paths[1], 40, 50, photo=photo)
  mask_files.check_differs(paths[2], paths[0], 'm.png')
  # If both files are equal, one was named by mistake.
  for path in paths[:2]:
    with pytest.raises(errors.UserError, match='the mask x is the photo'):
      mask_files.check_differs(path, paths[0], 'x')


@pytest.mark.parametrize(
  ('mask', 'photo'),
  [
    ((2000, 1500), (4000, 3000)),
    ((512, 341), (6000, 4000)),
    ((512, 342), (6000, 4000)),
    ((333, 250), (4000, 3000)),
    ((1023, 681), (1024, 683)),
    ((6000, 4000), (1000, 667)),
    ((640, 512), (64, 51)),
    ((1, 1000), (1, 100000)),
  ],
)
def test_an_aspect_that_was_rounded(mask, photo):
  width, height = photo
  image = Image.new('L', mask)
  draw = ImageDraw.Draw(image)
  draw.rectangle((0, 0, mask[0] // 2, mask[1] // 2), 'white')
  found, _ = mask_files.read(file_of(image), height, width)
  assert found.shape == (height, width)
  assert found[0, 0]


@pytest.mark.parametrize(
  ('mask', 'photo'),
  [
    ((40, 50), (50, 40)),
    ((512, 344), (6000, 4000)),
    ((500, 500), (4000, 3000)),
    ((100, 100), (1, 1000)),
  ],
)
def test_another_aspect_is_refused(mask, photo):
  width, height = photo
  with pytest.raises(errors.UserError) as caught:
    mask_files.read(file_of(Image.new('L', mask)), height, width, name='m.png')
  assert str(caught.value).startswith(
    f'the photo is {width}x{height} pixels, the mask m.png '
    f'{mask[0]}x{mask[1]}; '
  )


def test_a_mask_on_its_side_is_told():
  data = file_of(Image.new('L', (400, 300)))
  message = 'turn the mask by 90 degrees, to lie on the photo as viewers show'
  with pytest.raises(errors.UserError, match=message):
    mask_files.read(data, 400, 300)


def test_what_is_no_mask(tmp_path):
  path = tmp_path / 'mask.png'
  path.write_text('hello')
  with pytest.raises(errors.UserError, match=r'mask\.png cannot be read: not'):
    mask_files.read(path, 4, 4)
  with pytest.raises(errors.UserError, match='the mask cannot be read: empty'):
    mask_files.read(b'', 4, 4)
  data = file_of(Image.new('L', (4, 4)))
  with pytest.raises(errors.UserError, match='megapixels'):
    mask_files.read(data, 4, 4, max_pixels=15)
  with pytest.raises(errors.UserError, match='megabytes'):
    mask_files.read(data, 4, 4, max_bytes=len(data) - 1)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_less_than_half_opaque_is_hole(dtype):
  most = np.iinfo(dtype).max
  alpha = np.array([[0, most // 2, most // 2 + 1, most]], dtype)
  found = mask_files.find_transparent(alpha)
  assert found.tolist() == [[True, True, False, False]]
