"""The test of a run: the metrics of each image, and what it was tested on."""

import collections
from concurrent import futures
import hashlib
import pathlib

import jax
import numpy as np

from inpaint_jax import datasets, masks, models
from inpaint_jax.runs import trained_model, workdir as workdirs
from inpaint_jax.study import results
from inpaint_jax.system import sharding
from inpaint_jax.training import (
  composite_metrics,
  evaluate,
  images,
  input_pipeline,
)

# Images that the report shows, spread over the test split.
NUM_SHOWN = 6


def test_run(folder: pathlib.Path) -> results.Row:
  """Tests the best epoch of a run.

  Returns:
    The columns of results.csv that the test gives.
  """
  mesh = sharding.create_mesh()
  trained = trained_model.load_run(folder, sharding.replicated(mesh))
  dataset = input_pipeline.load(trained.config.data, folder / 'dataset.json')
  values, shown, mask_hash = _measure(trained, dataset.splits['test'], mesh)
  told_apart = composite_metrics.take_detectability(values)
  means = {name: float(x.mean()) for name, x in values.items()} | told_apart
  with workdirs.disk_full_as_user_error(folder):
    results.save_arrays(folder / 'per_image.npz', values)
    results.save_arrays(folder / 'images.npz', shown)
  row: results.Row = {
    'best_step': trained.step,
    'parameters': models.count_parameters(trained.variables['params']),
    'mask_hash': mask_hash,
  }
  row |= {f'test/{k}': x for k, x in means.items()}
  row |= {k: x for k, x in trained.info.items() if k.startswith('val/')}
  return row


def _measure(
  trained: trained_model.TrainedModel,
  source: input_pipeline.Source,
  mesh: jax.sharding.Mesh,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], str]:
  """Tests a model on a split, with the evaluation masks of its run.

  Args:
    mesh: the devices, each of which holds all variables of `trained`.

  Returns:
    {metric: [N]} of the images, with LPIPS and features if it is installed;
    `truth`, `masked` and `composite` of some images, uint8
    [NUM_SHOWN, S, S, 3]; and 16 hex digits over the masks.
  """
  config = trained.config
  eval_step = evaluate.make_eval_step(
    trained.model, trained.loss, masks.create_sampler(config.masks), config
  )
  of_composites = composite_metrics.CompositeMetrics(sharding.replicated(mesh))
  chosen = np.linspace(0, len(source) - 1, NUM_SHOWN).round()
  digest = hashlib.sha256()
  collected = collections.defaultdict(list)
  shown = collections.defaultdict(list)
  for batch in evaluate.batches(source, config, mesh):
    values, seen = eval_step(trained.variables, sharding.put_batch(batch, mesh))
    filled = evaluate.composite(seen['output'], seen['image'], seen['mask'])
    own = {'': filled}
    values |= of_composites.compute(own, seen['image'], seen['mask'])['']
    valid = batch['valid'] > 0
    for name, x in values.items():
      collected[name].append(np.asarray(x)[valid])
    image, mask = (np.asarray(seen[name]) for name in ('image', 'mask'))
    digest.update(np.packbits(mask[valid] > 0).tobytes())
    rows = valid & np.isin(batch['index'], chosen)
    shown['truth'].append(images.to_uint8(image[rows]))
    shown['masked'].append(images.to_uint8(np.where(mask > 0, 1, image)[rows]))
    shown['composite'].append(images.to_uint8(np.asarray(filled)[rows]))
  return (
    {name: np.concatenate(x) for name, x in collected.items()},
    {name: np.concatenate(x) for name, x in shown.items()},
    digest.hexdigest()[:16],
  )


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
