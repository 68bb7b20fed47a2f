"""A minimal training loop from the package's parts, to copy and to change.

  python scripts/minimal_training.py

trains a tiny UNet on synthetic landscapes in seconds. main.py adds checkpoints,
validation, logs, several devices and processes.
"""

import functools

import jax
import ml_collections

from inpaint_jax import datasets, losses, masks, models, objectives, optimizers
from inpaint_jax.system import config_files, errors
from inpaint_jax.training import input_pipeline, train_state, train_step


def train(
  config: ml_collections.ConfigDict, num_steps: int
) -> tuple[train_state.TrainState, list[float]]:
  """Returns the state after the last step, and the loss of each step."""
  if objectives.needs(config.objectives, 'discriminator'):
    raise errors.UserError(
      'objectives.adversarial and feature_matching need a discriminator, which '
      'this loop does not train; set them to 0, or use main.py'
    )
  # The data: uint8 images [B, H, W, 3] in [0, 255].
  images = datasets.load(config.data).splits['train']
  batches = input_pipeline.train_batches(
    images, config.data, seed=config.seed, batch_size=config.batch_size
  )

  # The model maps a masked image and its mask (1 = hole) to raw outputs. The
  # loss compares them with the true image, and can turn them into an image.
  loss = losses.get_loss(config.loss)
  model = models.create_model(config.model, loss.to_outputs)
  sampler = masks.create_sampler(config.masks)
  tx = optimizers.create_optimizer(config.optimizer, num_steps)

  # The state: parameters, batch statistics, optimizer state.
  create_state = functools.partial(
    train_state.create_train_state,
    model,
    tx,
    image_size=config.data.image_size,
    ema_decay=config.ema_decay,
  )
  state = jax.jit(create_state)(config.seed)

  # A step is a pure function that draws masks and updates the parameters.
  step_fn = train_step.make_train_step(model, tx, loss, sampler, config)
  step_fn = jax.jit(step_fn, donate_argnums=0)

  history = []
  for step in range(1, num_steps + 1):
    state, metrics = step_fn(state, next(batches))
    history.append(float(metrics['loss']))
    if step % 10 == 0:
      print(f'step {step}/{num_steps}  loss {sum(history[-10:]) / 10:.4f}')
  return state, history


if __name__ == '__main__':
  config_files.make_importable()
  from configs import smoke

  train(smoke.get_config(), num_steps=200)
