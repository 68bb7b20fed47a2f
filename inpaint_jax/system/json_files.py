"""JSON files that are written completely or not at all."""

import json
import math
import pathlib
from typing import Any

from inpaint_jax.system import atomic_files, errors


def write(path: pathlib.Path, value: Any) -> None:
  """Writes a value as JSON, with null for numbers that are not finite.

  A kill leaves the old file or the new one, never half of it.
  """
  text = json.dumps(_finite(value), indent=2, allow_nan=False)
  atomic_files.write(path, f'{text}\n'.encode())


def read(path: pathlib.Path) -> Any:
  """Returns what a file holds; a UserError if it is missing or damaged."""
  with errors.error_as(f'{path} cannot be read', kind=(OSError, ValueError)):
    return json.loads(path.read_bytes())


def _finite(value: Any) -> Any:
  """Returns `value` with None for infinity and NaN, which JSON lacks."""
  if isinstance(value, dict):
    return {name: _finite(field) for name, field in value.items()}
  if isinstance(value, list | tuple):
    return [_finite(field) for field in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
