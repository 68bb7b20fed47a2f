"""A trained model, with everything that is needed to use it."""

import os
import pathlib
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import ml_collections

from inpaint_jax import losses, models
from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.system import devices, errors, randomness, user_paths


class TrainedModel(NamedTuple):
  """A trained model: the best checkpoint of a run, or a released file.

  Attributes:
    workdir: the folder of the run; None for a released file, see zoo.py.
    config: the fields of the run.
    model: the Flax module.
    loss: the loss it was trained with; loss.to_image(outputs) is the image.
    variables: parameters and running statistics.
    step: step of the checkpoint.
    info: epoch and validation metrics of the checkpoint.
    checksum: CRC-32 of the checkpoint, see checkpoints.checksum; None for a
      released file.
  """

  workdir: pathlib.Path | None
  config: ml_collections.ConfigDict
  model: nn.Module
  loss: losses.Loss
  variables: Any
  step: int
  info: dict[str, Any]
  checksum: int | None = None


def load_run(
  workdir: str | os.PathLike[str], sharding: jax.sharding.Sharding | None = None
) -> TrainedModel:
  """Restores the best checkpoint of a run.

  Args:
    sharding: where the variables go, the first device by default.

  Raises:
    errors.UserError: there is no run, or no best checkpoint that can be read.
  """
  # Orbax, which it imports, configures Python's logging; a program that only
  # loads a released model keeps its own.
  from inpaint_jax.runs import checkpoints

  workdir = user_paths.local(workdir, 'workdir')
  config = workdirs.load_config(workdir)
  devices.check_any()
  advice = '; import the module of your own that has it first'
  with errors.error_as(f'workdir={workdir}', advice, errors.UserError):
    loss = losses.get_loss(config.loss)
    model = models.create_model(config.model, loss.to_outputs)
  shapes = abstract_variables(model, config.data.image_size, sharding)
  restored = None
  if (workdir / 'checkpoints' / 'best').is_dir():
    with checkpoints.open_manager(workdir, 'best', create=False) as manager:
      restored = checkpoints.restore(manager, shapes)
  if restored is None:
    raise errors.UserError(
      f'workdir={workdir} has no best checkpoint: training writes it as an '
      'epoch ends, and once more if it was deleted; start the same training'
    )
  return TrainedModel(
    workdir=workdir,
    config=config,
    model=model,
    loss=loss,
    variables=restored.tree,
    step=restored.step,
    info=restored.info,
    checksum=restored.checksum,
  )


def abstract_variables(
  model: nn.Module,
  image_size: int,
  sharding: jax.sharding.Sharding | None = None,
) -> Any:
  """Returns the variables of a model as jax.ShapeDtypeStructs.

  Args:
    sharding: where the variables go, the first device by default.
  """
  if sharding is None:
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  create = lambda key: models.init_variables(model, key, image_size)
  key = randomness.create_key(0)
  return jax.jit(create, out_shardings=sharding).eval_shape(key)
