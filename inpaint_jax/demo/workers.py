"""The models behind the page: one worker for each device."""

from collections.abc import Callable, Mapping, Sequence
import functools
import queue
import re
from typing import Any

import jax
import numpy as np

from inpaint_jax import inference
from inpaint_jax.release import zoo
from inpaint_jax.system import errors

# An Inpainter, as it is called for one image: (pixels, hole) -> pixels.
Inpaint = Callable[[np.ndarray, np.ndarray], Any]


def list_sources(named: str = '') -> dict[str, str]:
  """Returns what a visitor can choose, and what each name stands for.

  Args:
    named: a model as inference.load takes it, to come first. The page shows
      only the last part of a path or address.
  """
  known = inference.list_models()
  named = named or inference.DEFAULT_GUIDE
  last = re.split(r'[#?]', named)[0].rstrip('/').rpartition('/')[2]
  short = named if named in known else last or named
  return {short: named} | {name: name for name in known if name != short}


def load_onto(source: str, device: jax.Device) -> Inpaint:
  """Returns an inpainter that works on a device; see inference.load."""
  # ONNX Runtime takes no device from JAX.
  if device == jax.local_devices()[0] or source.endswith('.onnx'):
    return inference.load(source)
  model = zoo.load(source, jax.sharding.SingleDeviceSharding(device))
  size = model.config.data.image_size
  return inference.Inpainter(inference.create_fill(model), size)


class Workers:
  """Fills images, as many at once as there are devices.

  Each device has models of its own, loaded as they are asked for.
  """

  def __init__(
    self,
    sources: Mapping[str, str],
    devices: Sequence[Any],
    load: Callable[[str, Any], Inpaint] = load_onto,
  ):
    """Loads the first of the models onto the first device.

    What is wrong with it is raised here, not as the page is used.

    Args:
      sources: from what a visitor chooses to what is loaded; the first is
        chosen until then.
      devices: where.
      load: (source, device) -> inpainter.
    """
    self.models = list(sources)
    self.count = len(devices)
    self._sources = sources
    # A device serves one thread at a time, so nothing is loaded twice.
    self._load = functools.cache(load)
    self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for device in devices:
      self._free.put(device)
    self._load(next(iter(sources.values())), devices[0])

  def __call__(
    self, model: str, pixels: np.ndarray, hole: np.ndarray
  ) -> np.ndarray:
    """Fills an image; waits while all devices are at work.

    Args:
      model: one of the keys of `sources`.
      pixels: uint8 or uint16 [H, W, 3].
      hole: bool [H, W].

    Raises:
      errors.UserError: there is no such model, or what the inpainter raises.
    """
    source = errors.choose(self._sources, model, 'model')
    device = self._free.get()
    try:
      return self._load(source, device)(pixels, hole)
    finally:
      self._free.put(device)
