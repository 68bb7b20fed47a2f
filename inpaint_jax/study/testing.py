"""The test of a run: each picture's metrics, and what it was tested on."""

from concurrent import futures
import hashlib
import statistics
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import datasets, lpips, masks, metrics
from inpaint_jax.inpainting import fills
from inpaint_jax.runs import trained_model
from inpaint_jax.system import sharding
from inpaint_jax.training import evaluate, images, input_pipeline

# Pictures that the report shows, spread over the test split.
NUM_SHOWN = 6
# Of the picture that inference is timed on: the reference's.
INFERENCE_SIZE = 256


class Tested(NamedTuple):
  """What a test found.

  Attributes:
    values: {metric: [N]} of the test pictures; with LPIPS where it is
      installed.
    mask_hash: of their masks.
    shown: truth, masked and composite of some, uint8 [NUM_SHOWN, S, S, 3].
  """

  values: dict[str, np.ndarray]
  mask_hash: str
  shown: dict[str, np.ndarray]


def test(
  net: trained_model.TrainedModel, source: input_pipeline.Source
) -> Tested:
  """Tests a net on a split, with the evaluation masks of its run."""
  config, mesh = net.config, sharding.create_mesh()
  sampler = masks.create_sampler(config.masks)
  eval_step = evaluate.make_eval_step(net.model, net.loss, sampler, config)
  composite = jax.jit(metrics.composite)
  perceptual = lpips.load()
  chosen = set(np.linspace(0, len(source) - 1, NUM_SHOWN).round().astype(int))
  digest, collected, shown = hashlib.sha256(), [], []
  # Padding makes a batch of any size fit any number of devices.
  batch_size = sharding.round_up(config.batch_size, mesh)
  for batch in input_pipeline.eval_batches(
    source, config.data, batch_size=batch_size
  ):
    values, pictures = eval_step(net.variables, sharding.put_batch(batch, mesh))
    whole = batch['valid'] > 0
    filled = composite(pictures['output'], pictures['image'], pictures['mask'])
    if perceptual:
      values = {**values, 'lpips': perceptual(filled, pictures['image'])}
    collected.append({k: np.asarray(v)[whole] for k, v in values.items()})
    mask = np.asarray(pictures['mask'])
    digest.update(np.packbits(mask[whole] > 0).tobytes())
    rows = [
      i for i, x in enumerate(batch['index']) if whole[i] and int(x) in chosen
    ]
    if rows:
      image = np.asarray(pictures['image'])
      for name, x in (
        ('truth', image),
        ('masked', np.where(mask > 0, 1, image)),
        ('composite', np.asarray(filled)),
      ):
        shown.append((name, images.to_uint8(x[rows])))
  return Tested(
    values={
      name: np.concatenate([values[name] for values in collected])
      for name in (*evaluate.NAMES, *(['lpips'] if perceptual else []))
    },
    mask_hash=digest.hexdigest()[:16],
    shown={
      name: np.concatenate([x for key, x in shown if key == name])
      for name in ('truth', 'masked', 'composite')
    },
  )


def inference_seconds(
  net: trained_model.TrainedModel, repeats: int = 5
) -> float:
  """Returns the median time of filling one picture of INFERENCE_SIZE."""
  fill = fills.create_fill(net, optimize=True)
  image = jnp.full((1, INFERENCE_SIZE, INFERENCE_SIZE, 3), 0.5)
  mask = jnp.zeros_like(image[..., :1])
  seconds = []
  # The first compiles.
  for _ in range(1 + repeats):
    start = time.perf_counter()
    fill(image, mask).block_until_ready()
    seconds.append(time.perf_counter() - start)
  return statistics.median(seconds[1:])


def data_hash(dataset: datasets.Dataset) -> str:
  """Returns 16 hex digits over every pixel of every split."""
  digest = hashlib.sha256()
  with futures.ThreadPoolExecutor() as pool:
    for name in ('train', 'val', 'test'):
      split = dataset.splits[name]
      digest.update(f'{name} {len(split)} '.encode())
      for start in range(0, len(split), 256):
        numbers = range(start, min(start + 256, len(split)))
        for example in pool.map(split.__getitem__, numbers):
          digest.update(np.ascontiguousarray(example['image']).tobytes())
  return digest.hexdigest()[:16]
