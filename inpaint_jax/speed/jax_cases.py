"""Our nets, as inference and main.py run them."""

from collections.abc import Callable
import functools
import pathlib
from typing import Any

import jax
import ml_collections
import numpy as np

from inpaint_jax import losses, masks, models, optimizers
from inpaint_jax.inpainting import fills
from inpaint_jax.release import export
from inpaint_jax.runs import trained_model
from inpaint_jax.speed import cases
from inpaint_jax.system import sharding
from inpaint_jax.training import train_step
from inpaint_jax.training.setup import create_setup
from inpaint_jax.training.train_state import create_train_state

# How inference is compiled where a size may come once.
QUICK = 'quick to compile'


def create_net(
  case: cases.Case, dtype: str = 'float32'
) -> trained_model.TrainedModel:
  """Returns the net of a case with the weights that its seed draws."""
  config = _config(case, dtype)
  model = models.create_model(config.model)
  # The key of create_train_state: inference and training start alike.
  key = jax.random.fold_in(jax.random.key(config.seed), 0)
  return trained_model.TrainedModel(
    workdir=None,
    config=config,
    model=model,
    loss=losses.get_loss(config.loss),
    variables=jax.jit(
      functools.partial(models.init_variables, model, image_size=case.size)
    )(key),
    step=0,
    info={},
  )


def create_inference(case: cases.Case, mode: str) -> cases.Work:
  """Returns a call that fills holes, from and to NumPy.

  Args:
    case: what to do.
    mode: a dtype, and after a comma QUICK for what an Inpainter calls; else the
      program is optimized, as for many pictures of one size.
  """
  dtype, _, how = mode.partition(', ')
  net = create_net(case, dtype)
  fill = fills.create_fill(net, optimize=how != QUICK)
  image, mask = cases.masked_example(case)

  def count() -> float | None:
    # Of XLA's convolutions, whatever ours save of them.
    quick = fills.create_fill(net)
    # A partial of the jitted function and the net's variables.
    return count_flops(quick.func.lower(*quick.args, image, mask).compile())

  return cases.Work(lambda: np.asarray(fill(image, mask)), count)


def create_training(case: cases.Case, dtype: str) -> cases.Work:
  """Returns a step of main.py, with pictures that lie in memory."""
  config = _config(case, dtype)
  setup = create_setup(config)
  tx = optimizers.create_optimizer(config.optimizer, num_steps=1)
  step_fn = train_step.jit_train_step(
    train_step.make_train_step(
      setup.model, tx, setup.loss, setup.sampler, config
    ),
    setup.mesh,
  )
  create_state = functools.partial(
    create_train_state,
    setup.model,
    tx,
    image_size=case.size,
    ema_decay=config.ema_decay,
  )
  seed = np.uint32(config.seed)
  sharded = sharding.replicated(setup.mesh)
  state = jax.jit(create_state, out_shardings=sharded)(seed)
  image, _ = cases.example(case)
  batch = {
    'image': image,
    'index': np.arange(case.batch, dtype=np.int32),
    'valid': np.ones(case.batch, np.float32),
  }

  def step() -> float:
    nonlocal state
    put = sharding.put_batch(batch, setup.mesh)
    state, values = step_fn(state, put, seed)
    # The new parameters, too, and not only the loss.
    jax.block_until_ready(state)
    return float(values['loss'])

  def count() -> float | None:
    # Forwards, and as much again for the gradients of the inputs and of the
    # kernels. XLA counts the body of a loop once, and ours have loops.
    forward = create_inference(case, f'{dtype}, {QUICK}').count_flops()
    return 3 * forward if forward else None

  return cases.Work(step, count)


CREATE = {'inference': create_inference, 'training': create_training}


def first_masks(case: cases.Case) -> np.ndarray:
  """Returns the masks of step 1, [B, S, S, 1], so that PyTorch can have them.

  Its first loss is then ours, which shows that both make the same step.
  """
  config = _config(case, 'float32')
  sampler = masks.create_sampler(config.masks)
  key = jax.random.fold_in(jax.random.key(np.uint32(config.seed)), 1)
  keys = jax.random.split(key, case.batch)
  draw = jax.jit(functools.partial(sampler, height=case.size, width=case.size))
  return np.array(draw(keys))  # A copy, which PyTorch may write to.


def export_onnx(case: cases.Case, path: pathlib.Path) -> None:
  """Writes the net of a case to an ONNX file."""
  path.write_bytes(export.to_onnx(create_net(case), export.DTYPES['float32']))


def create_product(size: int, dtype: str) -> Callable[[], Any]:
  """Returns a call that multiplies two square matrices."""
  key = jax.random.key(0)
  a = jax.random.normal(key, (size, size), dtype)
  product = jax.jit(jax.numpy.dot)
  return lambda: product(a, a).block_until_ready()


def count_flops(compiled: jax.stages.Compiled) -> float | None:
  """Returns the operations of a compiled program, None if it does not tell.

  A multiplication and an addition are two. The body of a loop counts once.
  """
  cost = compiled.cost_analysis() or {}
  return cost.get('flops') or None


def peak_bytes() -> int | None:
  """Returns the most memory that arrays had on an accelerator, None on a CPU.

  Of the device that had most.
  """
  stats = [device.memory_stats() or {} for device in jax.local_devices()]
  return max((x.get('peak_bytes_in_use', 0) for x in stats), default=0) or None


def _config(case: cases.Case, dtype: str) -> ml_collections.ConfigDict:
  # Of its dict, not a copy: a locked or referring field would stay one.
  config = ml_collections.ConfigDict(case.config.to_dict())
  config.batch_size = case.batch
  config.data.image_size = case.size
  config.model.dtype = dtype
  return config
