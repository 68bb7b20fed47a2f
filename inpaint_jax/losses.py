"""Losses: how far a model's raw outputs are from the image they stand for.

The models return raw outputs, any real numbers. What such a number means as a
colour depends on the loss: the argument of a tanh for the mean squared error, a
log-rate for the Poisson likelihood, a logit for the losses on distributions. So
the link from outputs to image, with the final tanh of the reference's models,
belongs to the loss, and one model trains with every loss.

The five functions at the top are written from their formulas. They equal the
functions of the same names in torch.nn.functional with reduction='none'
(PyTorch 2.13, tests/golden), are computed in float32 or wider, and raise a
ValueError if shapes differ or a type is not a float. To add a loss, write its
function and its `to_image`, and add one line to LOSSES.

Attributes:
  LOSSES: name to Loss.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from inpaint_jax.system import errors


def _check(
  inputs: jax.Array, targets: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Returns both as float32 or wider, or raises a ValueError."""
  inputs, targets = jnp.asarray(inputs), jnp.asarray(targets)
  # Broadcasting would hide a mask or a batch axis in the wrong place.
  if inputs.shape != targets.shape:
    raise ValueError(
      f'inputs of shape {inputs.shape} and targets of shape {targets.shape}'
      ' must have the same shape'
    )
  for name, x in (('inputs', inputs), ('targets', targets)):
    if not jnp.issubdtype(x.dtype, jnp.floating):
      raise ValueError(f'{name} must be of a float type, not {x.dtype}')
  # bfloat16 has 8 bits of mantissa, too few for a sum over an image.
  dtype = jnp.promote_types(
    jnp.promote_types(inputs.dtype, targets.dtype), jnp.float32
  )
  return inputs.astype(dtype), targets.astype(dtype)


def mse(inputs: jax.Array, targets: jax.Array) -> jax.Array:
  """Squared error of each element, (inputs - targets)^2, [...]."""
  inputs, targets = _check(inputs, targets)
  return jnp.square(inputs - targets)


def l1(inputs: jax.Array, targets: jax.Array) -> jax.Array:
  """Absolute error of each element, |inputs - targets|, [...]."""
  inputs, targets = _check(inputs, targets)
  return jnp.abs(inputs - targets)


def poisson_nll(
  inputs: jax.Array,
  targets: jax.Array,
  *,
  log_input: bool = True,
  full: bool = False,
  eps: float = 1e-8,
) -> jax.Array:
  """Poisson negative log-likelihood, torch's `poisson_nll_loss`.

  r - targets * log r for a rate r. The term log(targets!), which does not
  depend on r, is left out unless `full`.

  Args:
    inputs: log r, or r if not `log_input`, [...].
    targets: [...], >= 0.
    log_input: whether `inputs` are log-rates.
    full: whether to add log(targets!), where targets are above 1, by Stirling's
      approximation, t log t - t + log(2 pi t) / 2.
    eps: added to the rate inside the logarithm, only if not `log_input`.

  Returns:
    The loss of each element, [...].
  """
  inputs, targets = _check(inputs, targets)
  if log_input:
    loss = jnp.exp(inputs) - targets * inputs
  else:
    loss = inputs - targets * jnp.log(inputs + eps)
  if full:
    # The term is dropped for targets <= 1; 1 in their place keeps it and its
    # gradient finite.
    t = jnp.where(targets > 1, targets, 1.0)
    stirling = t * jnp.log(t) - t + 0.5 * jnp.log(2 * jnp.pi * t)
    loss += jnp.where(targets > 1, stirling, 0.0)
  return loss


def kl_div(
  inputs: jax.Array, targets: jax.Array, *, log_target: bool = False
) -> jax.Array:
  """Pointwise Kullback-Leibler divergence, torch's `kl_div`.

  targets * (log targets - inputs), with 0 log 0 = 0. Its sum over the outcomes
  of a distribution is KL(targets || exp(inputs)) (Kullback and Leibler, 1951).

  Args:
    inputs: log-probabilities, [...].
    targets: probabilities, or their logarithms if `log_target`, [...].
    log_target: whether `targets` are log-probabilities.

  Returns:
    The term of each element, [...].
  """
  inputs, targets = _check(inputs, targets)
  if log_target:
    return jnp.exp(targets) * (targets - inputs)
  return xlogy(targets, targets) - targets * inputs


def cross_entropy(inputs: jax.Array, targets: jax.Array) -> jax.Array:
  """Cross-entropy with probabilities as targets, torch's `cross_entropy`.

  -sum_c targets_c * log_softmax(inputs)_c over the last axis; in torch, the
  channels are the second axis.

  Args:
    inputs: logits [..., C].
    targets: probabilities [..., C].

  Returns:
    The loss of each distribution, [...].
  """
  inputs, targets = _check(inputs, targets)
  if inputs.ndim < 1:
    raise ValueError('cross_entropy needs a last axis of classes, not a scalar')
  return -jnp.sum(targets * jax.nn.log_softmax(inputs, axis=-1), axis=-1)


# Distance from a hole's boundary, in pixels, up to which boundary_weight acts.
BOUNDARY = 4


class Loss(NamedTuple):
  """A loss on a model's raw outputs, and the image that the outputs stand for.

  `fn` and `to_image` compute in float32 or wider. The image may leave [0, 1]
  (tanh below 0, a rate above 1): clip it for display.

  Attributes:
    fn: `fn(outputs, image)`, from raw outputs [B, H, W, 3] and the true image
      [B, H, W, 3] in [0, 1] to the unreduced loss, [B, H, W, 3] or [B, H, W].
    to_image: from raw outputs [B, H, W, 3] to their image [B, H, W, 3];
      `fn(outputs, image)` is smallest where `to_image(outputs) == image`.
    to_outputs: the inverse of `to_image`, for images above 0 and below 1;
      needed for model.base = 'harmonic'.
  """

  fn: Callable[[jax.Array, jax.Array], jax.Array]
  to_image: Callable[[jax.Array], jax.Array]
  to_outputs: Callable[[jax.Array], jax.Array] | None = None


def _float32(outputs: jax.Array) -> jax.Array:
  return outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))


def _tanh_image(outputs: jax.Array) -> jax.Array:
  return jnp.tanh(_float32(outputs))


def _tanh_outputs(image: jax.Array) -> jax.Array:
  # Not arctanh, since only logarithms can be exported to every format.
  return 0.5 * (jnp.log(1 + image) - jnp.log(1 - image))


def _kl_div(outputs: jax.Array, image: jax.Array) -> jax.Array:
  """Every channel of every pixel is a Bernoulli distribution (t, 1 - t)."""
  outputs, image = _check(outputs, image)
  # log(1 - sigmoid(x)) = log_sigmoid(-x), which never rounds to log 0.
  on = kl_div(jax.nn.log_sigmoid(outputs), image)
  # XLA may compute x / 255 as a product, in which white is larger than 1.
  dark = jnp.maximum(1 - image, 0)
  off = kl_div(jax.nn.log_sigmoid(-outputs), dark)
  return on + off


def _with_rest(x: jax.Array, rest: jax.Array) -> jax.Array:
  return jnp.concatenate([x, rest], axis=-1)


def _softmax_image(outputs: jax.Array) -> jax.Array:
  outputs = _float32(outputs)
  logits = _with_rest(outputs, jnp.zeros_like(outputs[..., :1]))
  return 3 * jax.nn.softmax(logits, axis=-1)[..., :3]


def _softmax_outputs(image: jax.Array) -> jax.Array:
  rest = jnp.sum(1 - image, axis=-1, keepdims=True)
  return jnp.log(image) - jnp.log(rest)


def _cross_entropy(outputs: jax.Array, image: jax.Array) -> jax.Array:
  """Every pixel is a distribution over r/3, g/3, b/3 and the rest to 1."""
  outputs, image = _check(outputs, image)
  logits = _with_rest(outputs, jnp.zeros_like(outputs[..., :1]))
  rest = jnp.mean(1 - image, axis=-1, keepdims=True)
  return cross_entropy(logits, _with_rest(image / 3, rest))


LOSSES: dict[str, Loss] = {
  'mse': Loss(
    lambda x, image: mse(_tanh_image(x), image), _tanh_image, _tanh_outputs
  ),
  'l1': Loss(
    lambda x, image: l1(_tanh_image(x), image), _tanh_image, _tanh_outputs
  ),
  'poisson_nll': Loss(poisson_nll, lambda x: jnp.exp(_float32(x)), jnp.log),
  'kl_div': Loss(
    _kl_div,
    lambda x: jax.nn.sigmoid(_float32(x)),
    lambda image: jnp.log(image) - jnp.log(1 - image),
  ),
  'cross_entropy': Loss(_cross_entropy, _softmax_image, _softmax_outputs),
}


def mean(
  loss_map: jax.Array,
  mask: jax.Array,
  hole_weight: float,
  boundary_weight: float = 1.0,
) -> jax.Array:
  """Returns the weighted mean of each image's loss map, [B].

  sum(weights * loss_map) / sum(weights), where the weights are hole_weight in
  the hole and 1 at known pixels. A hole_weight of 1 gives the plain mean of the
  reference study; Liu et al., 2018, "Image inpainting for irregular holes using
  partial convolutions", use 6.

  Args:
    loss_map: what Loss.fn returned, [B, H, W, 3] or [B, H, W].
    mask: [B, H, W, 1], 1 = hole.
    hole_weight: see above.
    boundary_weight: further factor for pixels near the boundary: hole pixels
      with a known pixel within BOUNDARY pixels along both axes, and vice versa.

  Raises:
    errors.UserError: loss_map has another shape, such as one mean per image.
  """
  if loss_map.ndim == 3:
    loss_map = loss_map[..., None]
  if loss_map.ndim != 4 or loss_map.shape[:3] != mask.shape[:3]:
    B, H, W, _ = mask.shape
    raise errors.UserError(
      f'the loss returns an array of shape {list(loss_map.shape)}; return it '
      f'unreduced, [{B}, {H}, {W}] or [{B}, {H}, {W}, 3]'
    )
  weights = 1 + (hole_weight - 1) * mask
  if boundary_weight != 1:
    weights *= 1 + (boundary_weight - 1) * boundary(mask)
  axes = (1, 2, 3)
  return jnp.mean(loss_map * weights, axes) / jnp.mean(weights, axes)


def boundary(mask: jax.Array) -> jax.Array:
  """Returns 1 within BOUNDARY of the hole's boundary, else 0, [B, H, W, 1]."""
  window = (2 * BOUNDARY + 1, 2 * BOUNDARY + 1)
  grown = nn.max_pool(mask, window, padding='SAME')
  shrunk = -nn.max_pool(-mask, window, padding='SAME')
  return grown - shrunk


def image_of(loss: Loss, outputs: jax.Array) -> jax.Array:
  """Returns `loss.to_image(outputs)`; a UserError if it has another shape."""
  image = loss.to_image(outputs)
  errors.check_shape(image, outputs.shape, 'to_image of the loss')
  return image


def get_loss(name: str) -> Loss:
  """Returns `LOSSES[name]`, or raises a UserError that lists the names."""
  return errors.choose(LOSSES, name, 'loss')
