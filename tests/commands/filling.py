"""Photos, masks and a stand-in for a model, for tests of the command."""

from absl import flags
from absl.testing import flagsaver
import numpy as np
from PIL import Image

from inpaint_jax import inference
from inpaint_jax.commands import fill

# The grey with which the stand-in fills holes, as a share of the largest value.
GREY = 0.3


class StandIn:
  """Fills holes with grey, and remembers what it was asked."""

  def __init__(self):
    self.loaded = []
    self.calls = []

  def load(self, source, backend):
    self.loaded.append((source, backend))
    return self

  def __call__(self, image, mask, **options):
    assert image.shape[:2] == mask.shape
    assert mask.dtype == bool
    options.pop('progress')(0.5)
    self.calls.append(options)
    result = image.copy()
    largest = np.iinfo(image.dtype).max
    result[mask, :3] = round(GREY * largest)
    result[mask, 3:] = largest
    return result

  def explain(self, image, mask, **options):
    origins = np.full((*mask.shape, 2), -1, np.int32)
    origins[mask] = 0
    return inference.Filling(self(image, mask, **options), origins)


def call(*args):
  with flagsaver.flagsaver():
    fill.main(flags.FLAGS(['inpaint-jax', *map(str, args)]))


def hole_of(height=40, width=50):
  hole = np.zeros((height, width), bool)
  hole[10:20, 10:30] = True
  return hole


def noise(height=40, width=50, channels=3):
  shape = (height, width, channels)
  return np.random.RandomState(0).randint(0, 256, shape, np.uint8)


def png(array):
  return Image.fromarray(np.squeeze(array))


NAMES = ('a.jpg', 'b \xe9.png', 'c.gif')


def pixels_of(path):
  return np.asarray(Image.open(path))


def snapshot(folder):
  return {x: x.read_bytes() for x in folder.rglob('*') if x.is_file()}
