"""The devices that JAX computes on."""

import jax

from inpaint_jax.system import errors


def check_any() -> None:
  """Raises a UserError if JAX finds none of the devices that are wanted."""
  try:
    jax.devices()
  # JAX without CUDA fails an assertion where JAX_PLATFORMS is cuda.
  except (RuntimeError, AssertionError) as error:
    wanted = getattr(jax.config, 'jax_platforms', '')
    found = f'JAX_PLATFORMS={wanted}' if wanted else 'JAX has no device'
    reason = str(error) and f' ({errors.one_line(error)})'
    raise errors.UserError(
      f'{found}: there is no such device, or JAX was installed without support '
      f'for it{reason}; unset JAX_PLATFORMS or, for CUDA, '
      "pip install 'inpaint_jax[cuda]'"
    ) from error
