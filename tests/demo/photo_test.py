"""What the page does with a photo."""

import io

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from inpaint_jax.demo.photo import (
  Limits,
  MASK_ALPHA,
  MASK_COLOUR,
  MAX_RESULTS,
  Photo,
)
from inpaint_jax.inpainting.inpainter import Filling
from inpaint_jax.photos import picture_files
from inpaint_jax.photos.picture import Picture
from inpaint_jax.system import errors
from tests.demo.inputs import bomb, encode, LIMITS, noise, put_upload


def paint(height, width, rows, columns):
  """Returns a layer of the editor on which a rectangle is painted."""
  layer = np.zeros((height, width), bool)
  layer[rows, columns] = True
  return layer


def invert(image, hole, seed, **options):
  """Fills a hole with inverted colours, which can be told, and opaque alpha."""
  largest = np.iinfo(image.dtype).max
  filled = image.copy()
  filled[hole, :3] = largest - image[hole, :3]
  filled[hole, 3:] = largest
  origins = np.full((*hole.shape, 2), -1, np.int32)
  origins[hole] = 0
  return Filling(filled, origins)


def inpaint(photo, layers):
  """Fills a photo; returns the result, all files of which are written."""
  result = photo.inpaint(layers, invert)
  photo.finish()
  return result


@pytest.fixture
def load(tmp_path):
  """Loads a photo as the page does; returns it and the line about it."""

  def load(content, name='photo.png', limits=LIMITS):
    photo = Photo(tmp_path / 'page')
    photo.folder.mkdir()
    return photo, photo.load(put_upload(tmp_path, name, content), limits)

  return load


@pytest.mark.slow
def test_the_result_has_the_full_size_and_all_known_pixels(load):
  pixels = noise(1000, 2000)
  photo, note = load(encode(pixels, compress_level=1))
  assert '2000 x 1000' in note
  with PIL.Image.open(photo.editor_value()['background']) as copy:
    assert copy.size == (1024, 512)
  layer = paint(512, 1024, slice(100, 200), slice(300, 500))
  result = inpaint(photo, [layer])
  filled = picture_files.read(result.full).pixels
  assert filled.shape == pixels.shape
  rows, columns = np.nonzero((filled != pixels).any(axis=2))
  # The outline is right to within two pixels of the original.
  np.testing.assert_allclose(
    [rows.min(), rows.max(), columns.min(), columns.max()],
    np.array([100, 200, 300, 500]) * 1000 / 512,
    atol=2,
  )
  assert result.full.name == 'photo_inpainted.png'
  for path in (photo.before, result.after, result.explained):
    with PIL.Image.open(path) as copy:
      assert copy.size == (1600, 800)


def test_the_name_of_the_result_is_cut_to_what_a_file_system_takes(load):
  photo, _ = load(encode(noise(20, 30)), '\xe9' * 125 + '.png')
  layer = paint(683, 1024, slice(100, 200), slice(300, 500))
  name = inpaint(photo, [layer]).full.name
  assert name == '\xe9' * 120 + '_inpainted.png'


def test_16_bits_stay(load, tmp_path):
  rng = np.random.default_rng(0)
  pixels = rng.integers(65536, size=(40, 60, 3), dtype=np.uint16)
  path = tmp_path / 'deep.png'
  picture_files.write(path, Picture(pixels))
  photo, note = load(path.read_bytes())
  assert '16 bits' in note
  # The editor's copy has 1024 pixels on the longer side.
  layer = paint(683, 1024, slice(200, 300), slice(400, 500))
  result = inpaint(photo, [layer])
  filled = picture_files.read(result.full).pixels
  hole = photo.find_hole([layer])[..., None]
  np.testing.assert_array_equal(filled, np.where(hole, 65535 - pixels, pixels))


def test_what_is_odd_is_told_in_sentences(load, tmp_path):
  frames = [PIL.Image.fromarray(x).quantize() for x in noise(80, 60)[None, :]]
  buffer = io.BytesIO()
  frames[0].save(
    buffer, 'GIF', save_all=True, append_images=[frames[0].rotate(180)]
  )
  photo, note = load(buffer.getvalue(), 'odd.gif')
  assert note == (
    'odd.gif, 60 x 80 pixels. It holds 2 images, of which this is the first. '
    'Its palette has no place for new colours, and it is RGB now.'
  )
  mask = np.full((80, 60), 140, np.uint8)
  mask[:40] = 0
  upload = put_upload(tmp_path, 'soft.png', encode(mask))
  note = photo.load_mask(upload, LIMITS)
  assert note.startswith(
    'soft.png is the mask: 50.0% of the photo. soft.png is'
  )
  assert note.endswith('counts as white.')


def test_orientation_profile_and_exif_survive(load):
  icc = PIL.ImageCms.ImageCmsProfile(
    PIL.ImageCms.createProfile('sRGB')
  ).tobytes()
  exif = PIL.Image.Exif()
  exif[0x0112], exif[0x010F] = 6, 'A camera'
  content = encode(noise(48, 64), 'JPEG', exif=exif, icc_profile=icc)
  photo, note = load(content, 'turned.jpg')
  assert '48 x 64' in note
  layer = paint(1024, 768, slice(100, 200), slice(100, 200))
  result = inpaint(photo, [layer])
  with PIL.Image.open(result.full) as image:
    assert image.size == (48, 64)
    assert image.info['icc_profile'] == icc
    assert image.getexif()[0x010F] == 'A camera'
    assert image.getexif().get(0x0112, 1) == 1
  with PIL.Image.open(photo.editor_value()['background']) as image:
    assert image.info['icc_profile'] == icc


def test_a_loaded_mask_keeps_its_pixels_where_it_was_not_touched(
  load, tmp_path
):
  photo, _ = load(encode(noise(1500, 2000), compress_level=1))
  mask = np.zeros((1500, 2000), np.uint8)
  # Lines of one pixel, which the smaller copy in the editor cannot show.
  mask[700:760, 500:900:2] = 255
  mask[100:300, 100:300] = 255
  upload = put_upload(tmp_path, 'mask.png', encode(mask), 'cd' * 32)
  assert 'mask.png' in photo.load_mask(upload, LIMITS)
  layer = photo.read_layer(photo.editor_value()['layers'][0]).copy()
  np.testing.assert_array_equal(photo.find_hole([layer]), mask == 255)
  # Erased on the left, painted on the right.
  layer[:200, :200] = False
  layer[600:, 900:] = True
  hole = photo.find_hole([layer])
  assert not hole[:380, :380].any()
  assert hole[1180:, 1770:].all()
  rows, columns = slice(690, 770), slice(490, 910)
  np.testing.assert_array_equal(hole[rows, columns], mask[rows, columns] > 0)


def test_a_mask_that_is_odd(load, tmp_path):
  content = encode(noise(40, 60))
  photo, _ = load(content)
  with pytest.raises(errors.UserError, match='is the photo itself'):
    photo.load_mask(put_upload(tmp_path, 'a.png', content, 'cd' * 32), LIMITS)
  copy = encode(noise(40, 60), 'JPEG', quality=90)
  with pytest.raises(errors.UserError, match='is the photo itself, or a copy'):
    photo.load_mask(put_upload(tmp_path, 'a.jpg', copy, 'cd' * 32), LIMITS)
  assert photo.editor_value()['layers'] == []
  grey = put_upload(tmp_path, 'b.png', encode(noise(40, 60)[::-1]), 'cd' * 32)
  assert 'b.png is not black and white' in photo.load_mask(grey, LIMITS)


def test_a_thin_line_of_a_mask_is_shown_and_can_be_erased(load, tmp_path):
  photo, _ = load(encode(noise(1500, 2000), compress_level=1))
  mask = np.zeros((1500, 2000), np.uint8)
  mask[700] = 255
  upload = put_upload(tmp_path, 'mask.png', encode(mask), 'cd' * 32)
  photo.load_mask(upload, LIMITS)
  layer = photo.read_layer(photo.editor_value()['layers'][0]).copy()
  assert layer.any(axis=0).all()
  layer[:] = False
  assert not photo.find_hole([layer]).any()


def test_transparent_pixels_are_marked_and_become_opaque(load):
  pixels = np.dstack([noise(40, 60), np.full((40, 60), 255, np.uint8)])
  pixels[5:15, 5:25, 3] = 0
  photo, note = load(encode(pixels))
  assert 'transparent' in note
  layer = photo.read_layer(photo.editor_value()['layers'][0])
  result = inpaint(photo, [layer])
  with PIL.Image.open(result.full) as image:
    filled = np.asarray(image.convert('RGBA'))
  assert (filled[..., 3] == 255).all()
  np.testing.assert_array_equal(filled[20:], pixels[20:])


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'Dear diary', 'not an image'),
    (b'', 'empty'),
    (bomb(), 'more than 50 megapixels'),
    (encode(noise(400, 400))[:1000], 'cannot be read'),
  ],
)
def test_a_bad_photo_is_refused_without_its_path(
  load, tmp_path, content, message
):
  with pytest.raises(errors.UserError, match=message) as caught:
    load(content, 'holiday <b>.png')
  assert str(tmp_path) not in str(caught.value)
  assert str(caught.value).startswith('holiday <b>.png cannot be read')


@pytest.mark.parametrize(
  ('limits', 'message'),
  [
    (Limits(max_bytes=1000, max_pixels=10**6), r'0\.001 megabytes'),
    (Limits(max_bytes=10**6, max_pixels=9000), r'0\.009 megapixels'),
  ],
)
def test_limits_are_those_that_are_given(load, limits, message):
  with pytest.raises(errors.UserError, match=f'more than {message}'):
    load(encode(noise(100, 100)), limits=limits)


def test_a_layer_has_the_size_of_the_copy(load, tmp_path):
  photo, _ = load(encode(noise(30, 40)))
  layer = np.zeros((768, 1024, 4), np.uint8)
  layer[5:9, 5:9] = (*MASK_COLOUR, MASK_ALPHA)
  path = put_upload(tmp_path, 'layer.png', encode(layer))
  painted = paint(768, 1024, slice(5, 9), slice(5, 9))
  np.testing.assert_array_equal(photo.read_layer(path), painted)
  for content in (bomb(), b'x', encode(layer[1:]), encode(layer)[:60]):
    path = put_upload(tmp_path, 'layer.png', content)
    with pytest.raises(errors.UserError, match='did not arrive'):
      photo.read_layer(path)


def test_nothing_and_everything_painted(load):
  photo, _ = load(encode(noise(30, 40)))
  with pytest.raises(errors.UserError, match='nothing is painted'):
    inpaint(photo, [])
  with pytest.raises(errors.UserError, match='all of the photo is painted'):
    inpaint(photo, [np.ones((768, 1024), bool)])


@pytest.fixture
def explain():
  """Fills, and remembers the options."""

  def explain(image, hole, **options):
    explain.calls.append(options)
    return invert(image, hole, **options)

  explain.calls = []
  return explain


def test_results_to_choose_from(load, explain):
  photo, _ = load(encode(noise(30, 40)))
  layer = paint(768, 1024, slice(100, 300), slice(100, 300))
  first = photo.inpaint([layer], explain, wrap=True)
  assert first.after.exists()
  assert not first.full
  for _ in range(MAX_RESULTS):
    last = photo.inpaint([layer], explain, again=True)
  photo.finish()
  seeds = [options.pop('seed') for options in explain.calls]
  assert seeds == list(range(MAX_RESULTS + 1))
  assert explain.calls[:2] == [{'wrap': True}, {}]
  assert 'Result 7: 40 x 30 pixels' in last.note
  # The oldest result was deleted to make room.
  assert not first.after.exists()
  assert photo.get_result(MAX_RESULTS - 1) is last
  assert len({x.after for x in photo.results}) == MAX_RESULTS
  for result in photo.results:
    assert result.full.exists()
    assert result.explained.exists()
  for number in (-1, MAX_RESULTS, None, '0'):
    with pytest.raises(errors.UserError, match='no such result'):
      photo.get_result(number)
  # Without `again`, results begin from the first seed.
  only = photo.inpaint([layer], explain)
  assert photo.results == [only]
  assert explain.calls[-1] == {'seed': 0}
  assert not last.full.exists()


def test_what_is_copied_and_what_is_not(load, explain, tmp_path):
  photo, _ = load(encode(noise(30, 40)))
  layer = paint(768, 1024, slice(100, 300), slice(100, 300))
  mask = np.zeros((60, 80), np.uint8)
  mask[:30] = 255
  for name, line in (
    ('source', 'Only the white of source.png is copied, 50.0%.'),
    ('avoid', 'Nothing of the white of avoid.png is copied, 50.0%.'),
  ):
    upload = put_upload(tmp_path, f'{name}.png', encode(mask))
    assert photo.load_limit(name, upload, LIMITS) == line
    assert not upload.exists()
    mask = 255 - mask
  photo.inpaint([layer], explain)
  options = explain.calls[-1]
  top = np.arange(30)[:, None] < 15
  np.testing.assert_array_equal(options['source'], top.repeat(40, axis=1))
  np.testing.assert_array_equal(options['avoid'], ~options['source'])
  upload = put_upload(tmp_path, 'x.png', encode(mask[1:30]))
  with pytest.raises(errors.UserError, match=r'the mask x\.png 80x29; bring'):
    photo.load_limit('source', upload, LIMITS)
  upload = put_upload(tmp_path, 'x.png', encode(noise(30, 40)))
  with pytest.raises(errors.UserError, match='where pixels may not be copied'):
    photo.load_limit('avoid', upload, LIMITS)
  photo.drop_limits()
  photo.inpaint([layer], explain)
  assert explain.calls[-1] == {'seed': 0}
