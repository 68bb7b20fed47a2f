"""Objectives that a model can be trained on in addition to the pixel loss.

An objective is a pure function from `Inputs`, which holds the model's image and
the true image, to one number per image. The training minimises

  pixel loss + sum over objectives of weight * mean over images,

with the weights of the `objectives` section of a config, all 0 by default. To
add one, write its function, add one line to OBJECTIVES and a weight of its name
to configs/default.py; golden values are in tests/golden.

Attributes:
  OBJECTIVES: name to Objective.
  ADVERSARIAL_LOSSES: name to AdversarialLoss, for the objective adversarial and
    for the discriminator.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from inpaint_jax import deep_features, lpips
from inpaint_jax.discriminators import Judgement
from inpaint_jax.system import errors

# The least share of the image by which distances are divided. Without it the
# gradients of ever smaller holes would grow without bound.
_LEAST_SHARE = 1 / 256

IMAGES = ('composite', 'output')

# Stands for the judgement if there is no discriminator.
_NOTHING = Judgement(cast(jax.Array, ()), cast(jax.Array, ()), ())


class AdversarialLoss(NamedTuple):
  """Losses of scores, element by element: [...], above 0 = real, to [...].

  Attributes:
    real: loss of the discriminator for scores that should say real.
    fake: loss of the discriminator for scores that should say filled.
    generator: loss of the model for the scores of its fillings.
  """

  real: Callable[[jax.Array], jax.Array]
  fake: Callable[[jax.Array], jax.Array]
  generator: Callable[[jax.Array], jax.Array]


ADVERSARIAL_LOSSES: dict[str, AdversarialLoss] = {
  # max(0, 1 - s), max(0, 1 + s) and -s: Lim and Ye, 2017, arXiv 1705.02894.
  'hinge': AdversarialLoss(
    lambda s: jax.nn.relu(1 - s), lambda s: jax.nn.relu(1 + s), lambda s: -s
  ),
  # Cross-entropy, log(1 + exp(-s)) for scores that should say real: Goodfellow
  # et al., 2014, arXiv 1406.2661. Best with objectives.r1.
  'nonsaturating': AdversarialLoss(
    lambda s: jax.nn.softplus(-s),
    jax.nn.softplus,
    lambda s: jax.nn.softplus(-s),
  ),
}


class Inputs(NamedTuple):
  """The input of objectives.

  Attributes:
    image: the model's image, or its composite, [B, H, W, 3].
    truth: the true image, [B, H, W, 3] in [0, 1].
    mask: [B, H, W, 1], 1 = hole.
    share: [B], the fraction of `image` that the model made: the hole's area in
      a composite, 1 for the model's whole image. Distances of whole images are
      divided by it, since a small hole would hardly change them.
    maps, true_maps: deep features of both images, if an objective needs them.
    weights: weights of LPIPS, one [C] for each of `maps`.
    judgement, true_judgement: a discriminator's judgements of both, if there is
      one.
    adversarial_loss: see ADVERSARIAL_LOSSES.
  """

  image: jax.Array
  truth: jax.Array
  mask: jax.Array
  share: jax.Array
  maps: deep_features.Maps = ()
  true_maps: deep_features.Maps = ()
  weights: Sequence[jax.typing.ArrayLike] = ()
  judgement: Judgement = _NOTHING
  true_judgement: Judgement = _NOTHING
  adversarial_loss: AdversarialLoss = ADVERSARIAL_LOSSES['hinge']


def perceptual(inputs: Inputs) -> jax.Array:
  """LPIPS divided by the share of the image that the model made, [B].

  Zhang et al., 2018, arXiv 1801.03924, see lpips.distance.
  """
  return (
    lpips.distance(inputs.weights, inputs.maps, inputs.true_maps) / inputs.share
  )


def style(inputs: Inputs) -> jax.Array:
  """Distance of Gram matrices divided by the share that the model made, [B].

  Gatys et al., 2015, arXiv 1508.06576, in the form of Liu et al., 2018, arXiv
  1804.07723: mean over layers of mean |G(a) - G(b)|, see `gram`.
  """
  total = jnp.zeros_like(inputs.share)
  for a, b in zip(inputs.maps, inputs.true_maps, strict=True):
    total += jnp.mean(jnp.abs(gram(a) - gram(b)), axis=(1, 2))
  return total / len(inputs.maps) / inputs.share


def adversarial(inputs: Inputs) -> jax.Array:
  """How well the discriminator sees the hole, [B].

  The mean of the generator's loss over scores of the hole; 0 without a hole.
  """
  losses = inputs.adversarial_loss.generator(inputs.judgement.scores)
  return _mean(losses, inputs.judgement.holes)


def feature_matching(inputs: Inputs) -> jax.Array:
  """Distance of the discriminator's features divided by the share made, [B].

  Wang et al., 2018, arXiv 1711.11585: mean over layers of mean |a - b|.
  """
  total = jnp.zeros_like(inputs.share)
  maps = inputs.judgement.maps
  if not maps:
    raise errors.UserError(
      'objectives.feature_matching compares what the layers of the '
      'discriminator give, and it returns none in Judgement.maps; return them, '
      'or set objectives.feature_matching=0'
    )
  for a, b in zip(maps, inputs.true_judgement.maps, strict=True):
    total += jnp.mean(jnp.abs(a - jax.lax.stop_gradient(b)), axis=(1, 2, 3))
  return total / len(maps) / inputs.share


def gram(features: jax.Array) -> jax.Array:
  """Returns Gram matrices a^T a / (H W C): [B, H, W, C] to [B, C, C]."""
  B, H, W, C = features.shape
  x = features.reshape(B, H * W, C)
  return jnp.einsum('bpc,bpd->bcd', x, x) / (H * W * C)


def _mean(x: jax.Array, weights: jax.Array) -> jax.Array:
  """Returns the weighted mean of each image, [B, n] to [B]; 0 for weights 0."""
  total = jnp.sum(weights, axis=1)
  return jnp.sum(x * weights, axis=1) / jnp.maximum(total, 1)


class Objective(NamedTuple):
  """What a registered objective computes, and what it needs.

  Attributes:
    fn: from Inputs to one number per image, [B].
    needs: 'features' if it reads `maps`, 'discriminator' if it reads
      `judgement`.
  """

  fn: Callable[[Inputs], jax.Array]
  needs: str = ''


OBJECTIVES: dict[str, Objective] = {
  'perceptual': Objective(perceptual, 'features'),
  'style': Objective(style, 'features'),
  'adversarial': Objective(adversarial, 'discriminator'),
  'feature_matching': Objective(feature_matching, 'discriminator'),
}


def discriminator_loss(
  true_judgement: Judgement, judgement: Judgement, loss: AdversarialLoss
) -> jax.Array:
  """Returns the loss of a discriminator, [B].

  The mean over the scores of holes, which should say filled, plus the mean over
  all others, of known parts and true images, which should say real. The hole is
  the target as in LaMa (arXiv 2109.07161), but there each image has one mean,
  in which holes count little: with that and the hinge loss a discriminator
  called everything real, in each of 1,000 steps at 64x64.

  Raises:
    errors.UserError: the discriminator returns anything but Judgements.
  """
  for returned in (true_judgement, judgement):
    _check_judgement(returned)
  scores, holes = judgement.scores, judgement.holes
  known = jnp.concatenate([jnp.ones_like(true_judgement.scores), 1 - holes], 1)
  real = jnp.concatenate([true_judgement.scores, scores], axis=1)
  return _mean(loss.real(real), known) + _mean(loss.fake(scores), holes)


def _check_judgement(judgement: Any) -> None:
  if not isinstance(judgement, Judgement):
    raise errors.UserError(
      f'the discriminator returns a {type(judgement).__name__}; return a '
      'Judgement'
    )
  # A list or None has no shape. Other shapes may broadcast to wrong means.
  scores, holes = (list(getattr(x, 'shape', ())) for x in judgement[:2])
  if len(scores) != 2 or holes != scores:
    raise errors.UserError(
      f'the discriminator returns scores of shape {scores} and holes of '
      f'shape {holes}; return both as arrays [B, n]'
    )


def r1(
  scores_fn: Callable[[jax.Array], jax.Array], truth: jax.Array
) -> jax.Array:
  """Returns half of the squared gradient of the scores of true images, [B].

  Mescheder et al., 2018, arXiv 1801.04406: |d sum(scores) / d image|^2 / 2.

  Args:
    scores_fn: from images [B, H, W, 3] to scores [B, n].
    truth: true images [B, H, W, 3].
  """
  gradient = jax.grad(lambda x: jnp.sum(scores_fn(x)))(truth)
  return jnp.sum(jnp.square(gradient), axis=(1, 2, 3)) / 2


def accuracies(
  true_judgement: Judgement, judgement: Judgement
) -> dict[str, jax.Array]:
  """Returns how often a discriminator is right, over all images together.

  `hole_accuracy` is the share of the scores of holes that say filled,
  `known_accuracy` the share of all other scores, including those of true
  images, that say real.
  """
  holes, real = judgement.holes, (judgement.scores > 0).astype(jnp.float32)
  true_real = (true_judgement.scores > 0).astype(jnp.float32)
  right = jnp.sum((1 - holes) * real) + jnp.sum(true_real)
  return {
    'hole_accuracy': jnp.sum(holes * (1 - real))
    / jnp.maximum(jnp.sum(holes), 1),
    'known_accuracy': right / (jnp.sum(1 - holes) + true_real.size),
  }


def active(config: ml_collections.ConfigDict) -> dict[str, float]:
  """Returns the weights of objectives that are not 0, by name.

  Args:
    config: the `objectives` section of a config.

  Raises:
    errors.UserError: a weight is negative or not finite.
  """
  weights = {name: config.get(name, 0.0) for name in (*OBJECTIVES, 'r1')}
  for name, weight in weights.items():
    if not 0 <= weight < float('inf'):
      raise errors.UserError(
        f'objectives.{name}={weight} must be 0 (off) or a positive number'
      )
  return {name: weights[name] for name in OBJECTIVES if weights[name]}


def needs(config: ml_collections.ConfigDict, what: str) -> bool:
  """Returns whether any active objective needs `what`, see Objective.needs."""
  return any(OBJECTIVES[name].needs == what for name in active(config))


def check(config: ml_collections.ConfigDict) -> None:
  """Raises a UserError if the `objectives` section has an invalid field."""
  others = ('r1', 'adversarial_loss', 'features', 'image')
  # Fields of the section, and other columns of metrics.csv.
  columns = 'loss', 'pixel', 'learning_rate', 'grad_norm', 'param_norm'
  logged = 'hole_accuracy', 'known_accuracy', 'images_per_second', 'input_wait'
  taken = (*others, *columns, *logged, 'seconds', 'signal')
  for name in OBJECTIVES:
    if name in taken or name.startswith('discriminator'):
      raise errors.UserError(
        f'the objective {name} has the name of something else; register it '
        'under another one'
      )
  for name in config:
    # The weight of an objective that is not registered would have no effect.
    errors.check_name([*OBJECTIVES, *others], name, 'objectives')
  errors.check_name(IMAGES, config.image, 'objectives.image')
  errors.choose(
    ADVERSARIAL_LOSSES, config.adversarial_loss, 'objectives.adversarial_loss'
  )
  if config.r1 and not needs(config, 'discriminator'):
    raise errors.UserError(
      f'objectives.r1={config.r1} has no effect without a discriminator; set '
      'objectives.adversarial, too, or objectives.r1=0'
    )
  errors.choose(deep_features.FEATURES, config.features, 'objectives.features')
  if needs(config, 'features'):
    deep_features.load(config.features)


def create_inputs(
  config: ml_collections.ConfigDict,
  output: jax.Array,
  truth: jax.Array,
  mask: jax.Array,
) -> Inputs:
  """Returns the input of objectives, without judgements of a discriminator.

  Args:
    config: the `objectives` section of a config.
    output: the model's image, [B, H, W, 3].
    truth: the true image, [B, H, W, 3] in [0, 1].
    mask: [B, H, W, 1], 1 = hole.
  """
  image, share = output, jnp.ones(len(output), jnp.float32)
  if config.image == 'composite':
    image = mask * output + (1 - mask) * truth
    share = jnp.maximum(jnp.mean(mask, axis=(1, 2, 3)), _LEAST_SHARE)
  loss = ADVERSARIAL_LOSSES[config.adversarial_loss]
  inputs = Inputs(image, truth, mask, share, adversarial_loss=loss)
  if not needs(config, 'features'):
    return inputs
  deep = deep_features.load(config.features)
  maps, true_maps = deep.maps(image), deep.maps(truth)
  return inputs._replace(maps=maps, true_maps=true_maps, weights=deep.weights)


def compute(
  config: ml_collections.ConfigDict, inputs: Inputs
) -> dict[str, jax.Array]:
  """Returns {name: [B]} of the active objectives, before weighting.

  Raises:
    errors.UserError: an objective does not return [B].
  """
  values = {name: OBJECTIVES[name].fn(inputs) for name in active(config)}
  for name, value in values.items():
    errors.check_shape(value, (len(inputs.image),), f'the objective {name}')
  return values
