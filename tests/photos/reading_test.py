"""Opening a photo, whatever is in the file."""

import numpy as np
from photos import samples
from PIL import Image
import pytest

from inpaint_jax.photos import picture_files, reading
from inpaint_jax.system import errors


def test_16_bits_by_planes_are_refused(tmp_path):
  """Pillow reads noise from such a file."""
  values = samples.noise(37, 53, 3, np.uint16)
  data = samples.bare_tiff(values, b'II', planes=2)
  with pytest.raises(errors.UserError, match='a plane for each colour'):
    picture_files.read(data)
  path = tmp_path / 'a.tif'
  path.write_bytes(data)
  with pytest.raises(reading.UnreadableError, match='a plane for each colour'):
    reading.read(str(path))


def test_what_is_no_photo_is_not_read():
  assert {'JPEG', 'PNG', 'TIFF', 'WEBP'} <= set(reading.formats())
  assert not {'EPS', 'PDF', 'MPEG'} & set(reading.formats())
  assert {'.jpg', '.png', '.tif', '.webp'} <= reading.extensions()
  assert '.pdf' not in reading.extensions()


def test_errors_name_the_file():
  with (
    pytest.raises(errors.UserError, match=r'^a\.png cannot be read: empty'),
    reading.unreadable_as_user_error('a.png'),
    reading.opened(b''),
  ):
    pass


def test_the_centred_square():
  values = np.zeros((4, 8, 3), np.uint8)
  values[:, 2:6] = 200
  square = reading.square(Image.fromarray(values), 4)
  assert square.size == (4, 4)
  assert (np.asarray(square) == 200).all()
