"""Fills the photos of the page, with one worker for each device."""

from collections.abc import Callable, Mapping, Sequence
import functools
import queue
import re
from typing import Any

import jax
import numpy as np

from inpaint_jax import inference
from inpaint_jax.demo.photo import Explain
from inpaint_jax.release import zoo
from inpaint_jax.system import errors

# The name that a visitor sees for the guide 'none'.
NO_MODEL = 'No model (fast)'


def list_guides(named: str = '') -> dict[str, str]:
  """Returns the guides that a visitor can choose, by the names on the page.

  Args:
    named: a guide of inference.load that comes first; '' = the default one. The
      page shows only the last part of a path or address.
  """
  known = {NO_MODEL: 'none'} | {x: x for x in inference.list_models()}
  named = named or inference.DEFAULT_GUIDE
  last = re.split(r'[#?]', named)[0].rstrip('/').rpartition('/')[2]
  shown = {guide: name for name, guide in known.items()}
  first = {shown.get(named, last or named): named}
  return first | {k: v for k, v in known.items() if k not in first}


def load_onto(guide: str, device: jax.Device) -> Explain:
  """Returns a function that fills on a device, compiled; see inference.load."""
  # ONNX Runtime takes no device from JAX.
  is_first = device == jax.local_devices()[0]
  if is_first or guide == 'none' or guide.endswith('.onnx'):
    inpainter = inference.load(guide)
  else:
    model = zoo.load(guide, jax.sharding.SingleDeviceSharding(device))
    inpainter = inference.Inpainter(inference.create_fill(model))
  # The first call compiles, so that no visitor waits for that.
  hole = np.zeros((128, 128), bool)
  hole[48:80, 48:80] = True
  inpainter(np.zeros((128, 128, 3), np.uint8), hole)
  return inpainter.explain


class Workers:
  """Fills images, as many at once as there are devices.

  Each device has guides of its own, which are loaded when they are first used.
  """

  def __init__(
    self,
    guides: Mapping[str, str],
    devices: Sequence[Any],
    load: Callable[[str, Any], Explain] = load_onto,
  ):
    """Loads the first of the guides onto the first device.

    Errors in it are raised here, not later when the page is used.

    Args:
      guides: the guides to load, by the names on the page; the first one is
        chosen at first.
    """
    self.guides = guides
    self.count = len(devices)
    # A device serves one thread at a time, so nothing is loaded twice.
    self._load = functools.cache(load)
    self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for device in devices:
      self._free.put(device)
    self._load(next(iter(guides.values())), devices[0])

  def __call__(
    self, guide: str, image: np.ndarray, hole: np.ndarray, **options: Any
  ) -> inference.Filling:
    """Fills an image; waits while all devices are busy.

    Args:
      guide: one of the keys of `guides`.
      image, hole, **options: as in Inpainter.explain.

    Raises:
      errors.UserError: there is no such guide, or the inpainter raises one.
    """
    source = errors.choose(self.guides, guide, 'guide')
    device = self._free.get()
    try:
      return self._load(source, device)(image, hole, **options)
    finally:
      self._free.put(device)
