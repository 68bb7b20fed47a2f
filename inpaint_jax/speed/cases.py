"""The cases of the benchmark: inference and training, as in real use."""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

import jax
import ml_collections
import numpy as np

from inpaint_jax import losses, masks, models
from inpaint_jax.inpainting import backends
from inpaint_jax.release import export
from inpaint_jax.runs import trained_model
from inpaint_jax.system import randomness, sharding
from inpaint_jax.training import train
from inpaint_jax.training.setup import create_setup

# Mode of inference without parts that are slow to compile, as in an Inpainter.
QUICK = 'quick to compile'
# Does the work once and waits for it. Inference returns the images, float32
# [B, H, W, 3]; training returns the loss before the update.
Call = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Case:
  """Inference or a training step on a batch of images.

  Attributes:
    kind: 'inference', from masked images to filled ones, or 'training', one
      step from uint8 images to new parameters.
    size: height and width of the images in pixels, a multiple of 8.
  """

  kind: str
  config: ml_collections.ConfigDict
  size: int
  batch: int

  def __str__(self) -> str:
    images = 'image' if self.batch == 1 else 'images'
    return f'{self.kind}, {self.batch} {images} of {self.size}x{self.size}'


def example(case: Case) -> tuple[np.ndarray, np.ndarray]:
  """Returns images, uint8 [B, S, S, 3], and masks, float32 [B, S, S, 1]."""
  image, mask = export.example((case.batch, case.size, case.size), seed=0)
  return np.rint(image * 255).astype(np.uint8), mask


def masked_example(case: Case) -> tuple[np.ndarray, np.ndarray]:
  """Returns `example` as models take it: float32 in [0, 1] with black holes."""
  image, mask = example(case)
  return image.astype(np.float32) / 255 * (1 - mask), mask


def create_trained_model(
  case: Case, dtype: str = 'float32'
) -> trained_model.TrainedModel:
  """Returns the model of a case with initial weights of the config's seed."""
  config = _case_config(case, dtype)
  loss = losses.get_loss(config.loss)
  model = models.create_model(config.model, loss.to_outputs)
  # The key of create_train_state, so that both start from the same weights.
  key = jax.random.fold_in(randomness.create_key(config.seed), 0)
  init = functools.partial(models.init_variables, model, image_size=case.size)
  return trained_model.TrainedModel(
    workdir=None,
    config=config,
    model=model,
    loss=loss,
    variables=jax.jit(init)(key),
    step=0,
    info={},
  )


def create_inference(case: Case, mode: str) -> Call:
  """Returns a call that fills holes, from and to NumPy.

  `mode` is a dtype. With QUICK after a comma, the program is that of an
  Inpainter; without, it is optimized, as for many images of one size.
  """
  dtype, _, how = mode.partition(', ')
  model = create_trained_model(case, dtype)
  fill = backends.create_fill(model, optimize=how != QUICK)
  image, mask = masked_example(case)
  return lambda: np.asarray(fill(image, mask))


def create_training(case: Case, dtype: str) -> Call:
  """Returns a call that makes a step as main.py does, on images in memory."""
  config = _case_config(case, dtype)
  seed, setup = np.uint32(config.seed), create_setup(config)
  # So many that a schedule with a warm-up fits, and no timed step is the last.
  create_state, step = train.create_step(setup, num_steps=2**31 - 1)
  state = create_state(seed)
  batch = {'image': example(case)[0]}

  def call() -> float:
    nonlocal state
    state, values = step(state, sharding.put_batch(batch, setup.mesh), seed)
    # Wait for the new parameters, too, not only for the loss.
    jax.block_until_ready(state)
    return float(values['loss'])

  return call


CREATE = {'inference': create_inference, 'training': create_training}


def first_masks(case: Case) -> np.ndarray:
  """Returns the masks of step 1, [B, S, S, 1], for PyTorch.

  With them PyTorch's first loss equals ours, which shows that both compute the
  same.
  """
  sampler = masks.create_sampler(case.config.masks)
  key = jax.random.fold_in(randomness.create_key(case.config.seed), 1)
  keys = randomness.split(key, case.batch)
  draw = jax.jit(lambda keys: sampler(keys, case.size, case.size))
  return np.array(draw(keys))  # A copy, which PyTorch may write to.


def create_product(size: int, dtype: str) -> Call:
  """Returns a call that multiplies two square matrices."""
  a = jax.random.normal(jax.random.key(0), (size, size), dtype)
  product = jax.jit(jax.numpy.dot)
  return lambda: product(a, a).block_until_ready()


def count_flops(case: Case) -> float | None:
  """Returns the floating-point operations of a case, None if XLA has no count.

  A multiplication and an addition count as two. Convolutions count as defined,
  even if a mode computes them with fewer operations. A training step counts as
  three inferences: forward, gradients of inputs and gradients of kernels.
  """
  to_outputs = losses.get_loss(case.config.loss).to_outputs
  model = models.create_model(case.config.model, to_outputs)
  model = models.with_fields(model, conv='xla')
  shapes = trained_model.abstract_variables(model, case.size)
  apply = jax.jit(functools.partial(model.apply, train=False))
  program = apply.lower(shapes, *masked_example(case))
  flops = (program.cost_analysis() or {}).get('flops')
  return flops and flops * (3 if case.kind == 'training' else 1)


def peak_bytes_on_device() -> int | None:
  """Returns the peak memory of arrays on an accelerator, None on a CPU.

  With several devices it is the largest peak of one device.
  """
  stats = [device.memory_stats() or {} for device in jax.local_devices()]
  return max((x.get('peak_bytes_in_use', 0) for x in stats), default=0) or None


def _case_config(case: Case, dtype: str) -> ml_collections.ConfigDict:
  config = case.config.copy_and_resolve_references()
  config.batch_size = case.batch
  config.data.image_size = case.size
  config.model.dtype = dtype
  return config
