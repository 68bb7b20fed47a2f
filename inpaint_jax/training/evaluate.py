"""Validation and test: the same images, holes and metrics every time."""

from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
import os
import pathlib
from typing import Any

import flax.linen as nn
import jax
import ml_collections
import numpy as np
import tqdm

from inpaint_jax import (
  baselines,
  datasets,
  losses,
  lpips,
  masks,
  metrics,
  models,
)
from inpaint_jax.photos import mask_folder
from inpaint_jax.release import zoo
from inpaint_jax.runs import trained_model, workdir as workdirs
from inpaint_jax.system import (
  distributed,
  errors,
  json_files,
  sharding,
  terminal,
  user_paths,
)
from inpaint_jax.training import (
  composite_metrics,
  grids,
  images,
  input_pipeline,
  report_text,
  setup,
)

# (variables, batch) -> (dict of metrics [B], dict of arrays [B, H, W, .]).
EvalStep = Callable[
  [Any, Any], tuple[dict[str, jax.Array], dict[str, jax.Array]]
]

# Fields of a run's config, or their prefixes, that an evaluation may change.
OVERRIDABLE = ('batch_size', 'eval_seed', 'data.', 'masks.')

# metrics.composite, compiled.
composite = jax.jit(metrics.composite)


def metric_names() -> tuple[str, ...]:
  """Returns the names of what is measured for every image, in display order."""
  # Not a constant: a metric may be added after this module was imported.
  return ('loss', *metrics.OUTPUT_METRICS, *metrics.COMPOSITE_METRICS)


def make_eval_step(
  model: nn.Module,
  loss: losses.Loss,
  sampler: masks.Sampler,
  config: ml_collections.ConfigDict,
) -> EvalStep:
  """Returns the jitted function (variables, batch) -> (values, arrays).

  `values` has `loss` and each metric as [B]; values of padding mean nothing.
  `arrays` has `image`, `mask` and `output`, float32 [B, H, W, .].
  """

  @jax.jit
  def eval_step(
    variables: Any, batch: Mapping[str, jax.Array]
  ) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    image = images.to_float(batch['image'])
    _, height, width, _ = image.shape
    mask = masks.evaluation_masks(
      sampler, config.eval_seed, batch['index'], height, width
    )
    outputs: Any = model.apply(variables, image * (1 - mask), mask, train=False)
    loss_map = loss.fn(outputs, image)
    output = losses.image_of(loss, outputs)
    values = {
      'loss': losses.mean(
        loss_map, mask, config.hole_weight, config.boundary_weight
      ),
      **metrics.compute(output, image, mask),
    }
    return values, {'image': image, 'mask': mask, 'output': output}

  return eval_step


def evaluate_split(
  eval_step: EvalStep,
  variables: Any,
  source: input_pipeline.Source,
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Measures every image of a split.

  Returns:
    The loss and each metric as [N], also `lpips` if it is the best_metric; and
    `image`, `mask` and `output` of the first num_samples images, {} for 0.
  """
  collected: list[dict[str, np.ndarray]] = []
  shown: list[dict[str, np.ndarray]] = []
  perceptual = None
  if config.best_metric == 'val/lpips':
    perceptual = lpips.load(sharding.replicated(mesh))
  unread: tuple[dict[str, jax.Array], jax.Array] | None = None
  for batch in batches(source, config, mesh):
    placed = sharding.put_batch(batch, mesh)
    values, arrays = eval_step(variables, placed)
    if perceptual:
      image = arrays['image']
      seen = composite(arrays['output'], image, arrays['mask'])
      values = {**values, 'lpips': perceptual.between(seen, image)}
    # The devices compute this batch while the one before it is read.
    if unread:
      collected.append(_without_padding(*unread))
    unread = values, placed['valid']
    if len(shown) * len(placed['valid']) < config.num_samples:
      shown.append(_without_padding(arrays, placed['valid']))
  if unread:
    collected.append(_without_padding(*unread))
  samples = _concatenate(shown) if shown else {}
  first = {name: x[: config.num_samples] for name, x in samples.items()}
  return _concatenate(collected), first


def sample_grid(
  image: np.ndarray, mask: np.ndarray, output: np.ndarray
) -> np.ndarray:
  """Returns the grid of a split's first images as uint8 [H, W, 3]."""
  return grids.draw_grid(
    {
      'original': image,
      'masked': image * (1 - mask),
      'output': output,
      'composite': np.asarray(composite(output, image, mask)),
    }
  )


def evaluate(
  workdir: str | os.PathLike[str],
  overrides: Mapping[str, Any] | None = None,
  model: str = '',
) -> dict[str, Any]:
  """Tests the best checkpoint of a run; prints a table and writes it as JSON.

  Args:
    workdir: folder of the run.
    overrides: fields of the config to change, such as {'data.source': DIR};
      only those in OVERRIDABLE.
    model: a model to test instead of the run's, as `zoo.load` takes it; workdir
      then only receives the table.

  Returns:
    The content of test_metrics.json, or of test_other.json with overrides or a
    model: `model` if one was given, `step`, `epoch` and `checksum` of the
    checkpoint, the means over the test split for the model and each baseline,
    and the same by hole area.

  Raises:
    errors.UserError: there is no such run, model or checkpoint, a field cannot
      be changed, or workdir cannot be written to.
  """
  overrides = dict(overrides or {})
  mesh = sharding.create_mesh()
  workdir = user_paths.local(workdir, 'workdir')
  if model:
    trained = zoo.load(model, sharding.replicated(mesh))
  else:
    trained = trained_model.load_run(workdir, sharding.replicated(mesh))
  config = _override(trained.config, overrides)
  # Checked before the work, which would be lost if the report could not be
  # written.
  if distributed.is_first():
    workdirs.check_writable(workdir)
  with distributed.first_before_others('dataset'):
    record = None if model else _find_record(workdir, config, overrides)
    # A test of other photos trains on none of them.
    dataset = input_pipeline.load(config.data, record, test_only=not record)
    test = dataset.splits['test']

  means, by_hole_area = {}, {}
  for method, values in _measure(trained, test, config, mesh).items():
    told_apart = composite_metrics.take_detectability(values)
    means[method] = {k: float(np.mean(x)) for k, x in values.items()}
    means[method] |= told_apart
    by_hole_area[method] = metrics.by_hole_area(values, values['hole_area'])
  report = {
    **({'model': model} if model else {}),
    'step': trained.step,
    'epoch': trained.info['epoch'],
    'checksum': trained.checksum,
    'parameters': models.count_parameters(trained.variables['params']),
    'images': len(test),
    'config': config.to_dict(),
    'metrics': means,
    'by_hole_area': by_hole_area,
  }
  print(report_text.format_report(report), flush=True)
  # Only a test of the run as it was trained may replace test_metrics.json.
  is_own = (
    record
    and set(overrides) <= set(workdirs.FREE_FIELDS)
    and config.masks.digest == trained.config.masks.digest
  )
  name = 'test_metrics.json' if is_own else 'test_other.json'
  if distributed.is_first():
    with workdirs.disk_full_as_user_error(workdir):
      json_files.write(workdir / name, report)
  return report


def _override(
  config: ml_collections.ConfigDict, overrides: Mapping[str, Any]
) -> ml_collections.ConfigDict:
  """Returns a config with the overrides applied, or raises a UserError."""
  for name in overrides:
    if not name.startswith(OVERRIDABLE):
      raise errors.UserError(
        f'{name} is part of what was trained and cannot be changed in '
        'an evaluation; what can: batch_size, eval_seed, data.*, masks.*'
      )
  config = config.copy_and_resolve_references()
  wrong = KeyError, AttributeError, TypeError
  with errors.error_as('no such override', kind=wrong):
    config.lock().update_from_flattened_dict(overrides)
  if config.masks.kind != mask_folder.FILES and 'masks.source' not in overrides:
    config.masks.source = ''
  setup.check_fields(config)
  return mask_folder.with_digest(config)


def _find_record(
  workdir: pathlib.Path,
  config: ml_collections.ConfigDict,
  overrides: Mapping[str, Any],
) -> pathlib.Path | None:
  """Returns the record of the run's dataset, None to test on another one."""
  record, data = workdir / 'dataset.json', config.data
  changed = {name for name in overrides if name.startswith('data.')}
  changed -= set(workdirs.FREE_FIELDS) - {'data.source'}
  if changed == {'data.source'} and data.source and record.exists():
    # The photos of the run may have been moved.
    name = input_pipeline.read_record(record)
    return record if datasets.dataset_name(data) == name else None
  return None if changed - {'data.source'} else record


def _measure(
  trained: trained_model.TrainedModel,
  source: input_pipeline.Source,
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
) -> dict[str, dict[str, np.ndarray]]:
  """Returns {method: {metric: [N]}} of the model, then of the baselines."""
  of_composites = composite_metrics.CompositeMetrics(sharding.replicated(mesh))
  if not of_composites.has_nets:
    print("no LPIPS: pip install 'inpaint_jax[metrics]' adds it")
  fills = baselines.available()
  for name in baselines.BASELINES.keys() - fills.keys():
    print(f"no {name}: pip install 'inpaint_jax[metrics]' adds it")

  sampler = masks.create_sampler(config.masks)
  eval_step = make_eval_step(trained.model, trained.loss, sampler, config)
  # A new function, since jit would reuse what it traced of metrics.compute
  # before a metric was added.
  compute = jax.jit(lambda *args: metrics.compute(*args))
  area = jax.jit(metrics.hole_area)
  collected: dict[str, list[dict[str, np.ndarray]]] = {
    name: [] for name in (config.model.name, *fills)
  }
  with futures.ThreadPoolExecutor() as pool:
    shown = tqdm.tqdm(
      batches(source, config, mesh),
      total=-(-len(source) // sharding.round_up(config.batch_size, mesh)),
      desc='testing',
      unit='batch',
      mininterval=terminal.bar_interval(),
      disable=not distributed.is_first(),
    )
    for batch in shown:
      placed = sharding.put_batch(batch, mesh)
      values, arrays = eval_step(trained.variables, placed)
      image, mask = arrays['image'], arrays['mask']
      outputs = {config.model.name: arrays['output']}
      # Each process computes the baselines of the images that it has read.
      rows = sharding.local_rows(len(mask), mesh)
      mask_uint8 = sharding.gather(mask)[rows, ..., 0].astype(np.uint8)
      for name, fill in fills.items():
        filled = np.stack(list(pool.map(fill, batch['image'], mask_uint8)))
        outputs[name] = images.to_float(sharding.put_batch(filled, mesh))
      seen = {k: composite(x, image, mask) for k, x in outputs.items()}
      of_seen = of_composites.compute(seen, image, mask)
      for name, output in outputs.items():
        is_model = name == config.model.name
        own = values if is_model else compute(output, image, mask)
        own = {**own, 'hole_area': area(mask), **of_seen[name]}
        collected[name].append(_without_padding(own, placed['valid']))
  return {name: _concatenate(rows) for name, rows in collected.items()}


def batches(
  source: input_pipeline.Source,
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
) -> Iterator[input_pipeline.Batch]:
  """Yields this process's rows of the batches of a split."""
  # The size is rounded up to the number of devices; padding fills the rest.
  batch_size = sharding.round_up(config.batch_size, mesh)
  return input_pipeline.eval_batches(
    source,
    config.data,
    batch_size=batch_size,
    rows=sharding.local_rows(batch_size, mesh),
  )


def _without_padding(
  values: Mapping[str, jax.Array], valid: jax.Array
) -> dict[str, np.ndarray]:
  gathered, flags = sharding.gather((dict(values), valid))
  return {name: x[flags > 0] for name, x in gathered.items()}


def _concatenate(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
  # jit sorts the keys of the dicts that it returns: restores their order.
  names = [name for name in metric_names() if name in rows[0]]
  names += [name for name in rows[0] if name not in names]
  return {name: np.concatenate([row[name] for row in rows]) for name in names}
