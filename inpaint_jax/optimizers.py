"""Optimizers built on optax, with the defaults of PyTorch's optimizers.

The reference study used PyTorch, whose defaults differ from optax's: RMSprop
decays by 0.99 with eps outside the root (optax 0.9, inside), Adagrad starts at
0 with eps outside the root (optax 0.1, inside). Updates here equal those of
torch.optim (PyTorch 2.13, tests/golden). In the formulas, g is the gradient, p
the parameter, lr the learning rate and m the momentum.

To add an optimizer, write its function and add one line to OPTIMIZERS; what a
run can change is in the `optimizer` section of configs/default.py.

Attributes:
  OPTIMIZERS: name to a function of the learning rate (number or schedule) and
    the `optimizer` section of a config, that returns an optax transformation.
"""

from collections.abc import Callable
import math

import jax
import jax.numpy as jnp
import ml_collections
import optax

from inpaint_jax.system import errors


def adam(
  learning_rate: optax.ScalarOrSchedule, config: ml_collections.ConfigDict
) -> optax.GradientTransformation:
  """Adam (Kingma and Ba, 2015), as `torch.optim.Adam`.

  At step t: a = 0.9 a + 0.1 g, v = 0.999 v + 0.001 g^2, and
  p -= lr (a / (1 - 0.9^t)) / (sqrt(v / (1 - 0.999^t)) + 1e-8).
  """
  del config
  return optax.adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)


def sgd(
  learning_rate: optax.ScalarOrSchedule, config: ml_collections.ConfigDict
) -> optax.GradientTransformation:
  """Gradient descent with momentum, as `torch.optim.SGD`.

  b = m b + g, p -= lr b.
  """
  return optax.sgd(learning_rate, config.momentum or None)


def rmsprop(
  learning_rate: optax.ScalarOrSchedule, config: ml_collections.ConfigDict
) -> optax.GradientTransformation:
  """RMSprop (Tieleman and Hinton, 2012), as `torch.optim.RMSprop`.

  v = 0.99 v + 0.01 g^2, b = m b + g / (sqrt(v) + 1e-8), p -= lr b.
  """
  return optax.chain(
    optax.scale_by_rms(decay=0.99, eps=1e-8, eps_in_sqrt=False),
    optax.trace(decay=config.momentum) if config.momentum else optax.identity(),
    # Applied last, so that a schedule scales the whole step, as in torch;
    # optax.rmsprop scales what enters the momentum buffer.
    optax.scale_by_learning_rate(learning_rate),
  )


def adagrad(
  learning_rate: optax.ScalarOrSchedule, config: ml_collections.ConfigDict
) -> optax.GradientTransformation:
  """Adagrad (Duchi et al., 2011), as `torch.optim.Adagrad`.

  s = s + g^2 from s = 0, p -= lr g / (sqrt(s) + 1e-10).
  """
  del config
  return optax.chain(
    _scale_by_adagrad(eps=1e-10), optax.scale_by_learning_rate(learning_rate)
  )


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
  'adam': adam,
  'sgd': sgd,
  'rmsprop': rmsprop,
  'adagrad': adagrad,
}
# What the field momentum would have no effect on.
_WITHOUT_MOMENTUM = (adam, adagrad)


def create_schedule(
  config: ml_collections.ConfigDict, num_steps: int, section: str = 'optimizer'
) -> optax.Schedule:
  """Returns the learning rate as a function of the updates made so far.

  Their number may be traced. Step s of 1..num_steps uses `schedule(s - 1)`. So
  the cosine reaches 0 at schedule(num_steps), after the last step, and the
  first step of a warm-up has the rate 0 and changes nothing.

  Args:
    config: the `optimizer` section of a config; the fields learning_rate,
      schedule and warmup_steps are read.
    section: the name of the section in errors.

  Raises:
    UserError: if a field has an invalid value.
  """
  lr, warmup = config.learning_rate, config.warmup_steps
  if not (math.isfinite(lr) and lr > 0):
    raise errors.UserError(
      f'{section}.learning_rate={lr} must be a positive number, such as 0.001'
    )

  field = f'{section}.schedule'
  errors.check_name(('constant', 'cosine'), config.schedule, field)
  if config.schedule == 'constant':
    if warmup:
      raise errors.UserError(
        f'{section}.warmup_steps={warmup} has no effect with '
        f'{field}=constant; set it to 0 or choose schedule=cosine'
      )
    return optax.constant_schedule(lr)
  if not 0 <= warmup < num_steps:
    raise errors.UserError(
      f'{section}.warmup_steps={warmup} must be at least 0 and less than the'
      f' {num_steps} steps of the training'
    )
  return optax.warmup_cosine_decay_schedule(
    init_value=0.0 if warmup else lr,
    peak_value=lr,
    warmup_steps=warmup,
    decay_steps=num_steps,
  )


def create_optimizer(
  config: ml_collections.ConfigDict, num_steps: int, section: str = 'optimizer'
) -> optax.GradientTransformation:
  """Returns the transformation from gradients to updates of the parameters.

  Its `update` needs the parameters. It clips the gradient to clip_norm, adds
  weight_decay * parameter, and applies the optimizer. This is torch's order:
  `clip_grad_norm_` before `step`, and `weight_decay` inside an optimizer. The
  decay is an L2 penalty, which the optimizer scales, not AdamW's decoupled
  decay. It acts on all parameters, as in torch.

  Args:
    num_steps: steps of the whole training, for the schedule.
    section: the name of the section in errors.

  Raises:
    UserError: if a field has an invalid value.
  """
  create = errors.choose(OPTIMIZERS, config.name, f'{section}.name')
  for field in ('clip_norm', 'weight_decay'):
    value = config[field]
    if not (math.isfinite(value) and value >= 0):
      raise errors.UserError(
        f'{section}.{field}={value} must be 0 (off) or a positive number'
      )
  if not 0 <= config.momentum < 1:
    raise errors.UserError(
      f'{section}.momentum={config.momentum} must be at least 0 and less than 1'
    )
  if config.momentum and create in _WITHOUT_MOMENTUM:
    raise errors.UserError(
      f'{section}.momentum={config.momentum} has no effect with '
      f'{section}.name={config.name}; set it to 0 or choose rmsprop or sgd'
    )
  transforms = [create(create_schedule(config, num_steps, section), config)]
  if config.weight_decay:
    transforms.insert(0, optax.add_decayed_weights(config.weight_decay))
  if config.clip_norm:
    transforms.insert(0, optax.clip_by_global_norm(config.clip_norm))
  return optax.chain(*transforms)


def _scale_by_adagrad(eps: float) -> optax.GradientTransformation:
  """Divides by the root of the sum of all squared gradients, plus eps.

  optax.scale_by_rss adds eps to the sum instead. No value of that eps gives
  torch's step both for a gradient of 1e-9 (9 % less than lr) and for one of 0.
  """

  def update(
    updates: optax.Updates,
    state: optax.ScaleByRssState,
    params: optax.Params | None = None,
  ) -> tuple[optax.Updates, optax.ScaleByRssState]:
    del params
    sums = jax.tree.map(
      lambda g, s: s + jnp.square(g), updates, state.sum_of_squares
    )
    updates = jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), updates, sums)
    return updates, optax.ScaleByRssState(sum_of_squares=sums)

  def init(params: optax.Params) -> optax.ScaleByRssState:
    return optax.ScaleByRssState(optax.tree.zeros_like(params))

  return optax.GradientTransformation(init, update)
