"""The nets behind the page: one worker for each device."""

from collections.abc import Callable, Mapping, Sequence
import queue
import re
import threading
from typing import Any

import jax
import numpy as np

from inpaint_jax import inference
from inpaint_jax.release import zoo
from inpaint_jax.system import errors

Inpaint = Callable[[np.ndarray, np.ndarray], np.ndarray]
Load = Callable[[str, Any], Inpaint]


def sources(named: str = '') -> dict[str, str]:
  """Returns what a visitor can choose, and what each name stands for.

  Args:
    named: a model as inference.load takes it, to come first. The page shows
      the last part of a path or address only.
  """
  known = inference.list_models()
  named = named or inference.DEFAULT_MODEL
  short = named if named in known else _last_part(named)
  return {short: named} | {name: name for name in known if name != short}


def _last_part(source: str) -> str:
  return re.split(r'[#?]', source)[0].rstrip('/').rpartition('/')[2] or source


def load(source: str, device: jax.Device) -> Inpaint:
  """Returns an inpainter that works on a device; see inference.load."""
  if device == jax.local_devices()[0]:
    return inference.load(source)
  net = zoo.load(source, jax.sharding.SingleDeviceSharding(device))
  return inference.Inpainter(
    inference.create_fill(net), net.config.data.image_size
  )


class Workers:
  """Fills pictures, as many at once as there are devices.

  Each device has nets of its own, loaded as they are asked for.
  """

  def __init__(
    self,
    sources: Mapping[str, str],
    devices: Sequence[Any],
    load: Load = load,
  ):
    """Prepares the workers; loads nothing yet.

    Args:
      sources: from what a visitor chooses to what is loaded.
      devices: where.
      load: (source, device) -> inpainter.
    """
    self.count = len(devices)
    self._sources = sources
    self._load = load
    self._loaded: dict[tuple[str, Any], Inpaint] = {}
    self._lock = threading.Lock()
    self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for device in devices:
      self._free.put(device)

  def __call__(
    self, model: str, pixels: np.ndarray, hole: np.ndarray
  ) -> np.ndarray:
    """Fills a picture; waits while all devices are at work.

    Args:
      model: one of the keys of `sources`.
      pixels: uint8 or uint16 [H, W, 3].
      hole: bool [H, W].

    Raises:
      errors.UserError: there is no such model, or what the inpainter raises.
    """
    source = errors.choose(self._sources, model, 'the model')
    device = self._free.get()
    try:
      return self._find(source, device)(pixels, hole)
    finally:
      self._free.put(device)

  def load(self, model: str) -> None:
    """Loads a model ahead, onto one device; raises what the loading raises."""
    device = self._free.get()
    try:
      self._find(self._sources[model], device)
    finally:
      self._free.put(device)

  def _find(self, source: str, device: Any) -> Inpaint:
    # A device belongs to one thread at a time, so no key is loaded twice.
    if (source, device) not in self._loaded:
      inpaint = self._load(source, device)
      with self._lock:
        self._loaded[source, device] = inpaint
    return self._loaded[source, device]
