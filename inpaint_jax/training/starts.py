"""What a training starts from: its own checkpoint, or another model."""

from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any

from flax import traverse_util
import jax
import ml_collections
import orbax.checkpoint as ocp

from inpaint_jax import losses
from inpaint_jax.runs import checkpoints, trained_model
from inpaint_jax.system import errors, sharding
from inpaint_jax.training.train_state import TrainState


@dataclasses.dataclass
class Progress:
  """What the loop remembers next to the train state; part of a checkpoint.

  Attributes:
    best_loss: the smallest metrics.badness of config.best_metric so far; None
      before the first epoch ends.
    stale_epochs: epochs since best_loss was found.
    window: losses of the steps since the last logged row.
    seconds: time spent in training and validation, over all starts.
  """

  best_loss: float | None = None
  stale_epochs: int = 0
  window: list[float] = dataclasses.field(default_factory=list)
  seconds: float = 0.0

  def add_epoch(self, score: float) -> bool:
    """Counts an epoch; returns whether its score is the smallest so far."""
    is_best = self.best_loss is None or score < self.best_loss
    if is_best:
      self.best_loss = score
    self.stale_epochs = 0 if is_best else self.stale_epochs + 1
    return is_best


def restore(
  workdir: pathlib.Path,
  latest: ocp.CheckpointManager,
  best: ocp.CheckpointManager,
  shapes: TrainState,
  steps_per_epoch: int,
  mesh: jax.sharding.Mesh,
) -> tuple[TrainState, Progress] | None:
  """Returns the latest checkpoint of a run, None if there is none.

  Deletes best checkpoints of later steps.

  Raises:
    errors.UserError: another host has other checkpoints, or there is a best
      checkpoint but the latest ones are gone.
  """
  restored = checkpoints.restore(latest, shapes, set_aside=True)
  step = restored.step if restored else 0
  if int(sharding.largest(step, mesh)) != step:
    raise errors.UserError(
      f'workdir={workdir} has other checkpoints on another host; name a folder '
      'on a file system that all hosts share'
    )
  # A kill between the first two saves leaves only a best checkpoint, that of
  # the first epoch; the run then starts again.
  lost = [x for x in best.all_steps() if x > steps_per_epoch]
  if restored is None and lost:
    raise errors.UserError(
      f'workdir={workdir} has a best checkpoint, of step {lost[-1]}, but '
      'checkpoints/latest, from which training continues, is gone; start in '
      'another workdir, with init_from=this one to start from its parameters'
    )
  # A best epoch after this step is trained again; on devices that do not round
  # deterministically, another epoch may then be the best.
  for later in best.all_steps():
    if later > step:
      best.delete(later)
  if restored is None:
    return None
  print(f'going on from the checkpoint of step {step}')
  # Another version may have saved fields that this one does not know.
  known = {field.name for field in dataclasses.fields(Progress)}
  info = {name: x for name, x in restored.info.items() if name in known}
  return restored.tree, Progress(**info)


def take_over(
  trained: trained_model.TrainedModel,
  config: ml_collections.ConfigDict,
  variables: Mapping[str, Any],
) -> dict[str, Any]:
  """Returns the variables of a trained model, which config.init_from names.

  Args:
    variables: those of this run's model. What the other model lacks is taken
      from them, if all that it has fits, as with a UNet and its attention UNet.

  Raises:
    errors.UserError: its architecture is not the config's.
  """
  source = config.init_from
  new = traverse_util.flatten_dict(variables)
  known = traverse_util.flatten_dict(trained.variables)
  fits = all(k in new and new[k].shape == x.shape for k, x in known.items())
  theirs, ours = trained.config.model, config.model
  # The name first, since other models have other fields.
  others = sorted({*theirs, *ours} - {'name', 'dtype', 'conv'})
  for field in ('name', *others):
    found, wanted = theirs.get(field), ours.get(field)
    if found != wanted and not (fits and field == 'name'):
      raise errors.UserError(
        f'init_from={source} has model.{field}={found}, this run has {wanted}; '
        f'set model.{field}={found}, or name a source of the same model'
      )
  print(f'starting from the parameters of {source}, step {trained.step}')
  if left := sorted({path[1] for path in new.keys() - known.keys()}):
    print(f'drawn from the seed, since {source} lacks them: {", ".join(left)}')
  if losses.get_loss(config.loss).to_image is not trained.loss.to_image:
    print(
      f'outputs of loss={trained.config.loss} stand for other colours with '
      f'loss={config.loss}: the first images will be wrong'
    )
  # Empty collections, such as unused batch_stats, have no paths.
  return {**variables, **traverse_util.unflatten_dict({**new, **known})}
