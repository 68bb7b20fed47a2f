"""Validation and test: the same pictures, holes and metrics every time."""

from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
import os
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import tqdm

from inpaint_jax import baselines, losses, lpips, masks, metrics, models
from inpaint_jax.runs import trained_model, workdir as workdirs
from inpaint_jax.system import distributed, errors, json_files, sharding
from inpaint_jax.training import config_checks, images, input_pipeline

# (variables, batch) -> (a dict of [B], a dict of pictures [B, H, W, .]).
EvalStep = Callable[
  [Any, Any], tuple[dict[str, jax.Array], dict[str, jax.Array]]
]

# What is measured of every picture, in the order in which it is shown.
NAMES = ('loss', *metrics.OUTPUT_METRICS, *metrics.COMPOSITE_METRICS)

# What an evaluation may change of the config that a run was trained with.
OVERRIDABLE = ('batch_size', 'eval_seed', 'data.', 'masks.')

# Of the table by hole area, where whole-picture metrics say little.
_BUCKET_METRICS = ('hole_l1', 'hole_psnr', 'seam_ratio', 'lpips')


def make_eval_step(
  model: nn.Module,
  loss: losses.Loss,
  sampler: masks.Sampler,
  config: ml_collections.ConfigDict,
) -> EvalStep:
  """Returns the jitted function (variables, batch) -> (values, pictures).

  `values` has `loss` and each metric as [B]; what it holds for padding means
  nothing. `pictures` has `image`, `mask` and `output`, float32 [B, H, W, .].

  Args:
    model: a net of models.MODELS.
    loss: an entry of losses.LOSSES.
    sampler: draws the masks, see masks.create_sampler.
    config: the run; here eval_seed and hole_weight are read.
  """

  @jax.jit
  def eval_step(variables, batch):
    image = images.to_float(batch['image'])
    _, height, width, _ = image.shape
    mask = masks.evaluation_masks(
      sampler, config.eval_seed, batch['index'], height, width
    )
    outputs = model.apply(variables, image * (1 - mask), mask, train=False)
    loss_map = loss.fn(outputs, image)
    output = loss.to_image(outputs)
    values = {
      'loss': losses.mean(loss_map, mask, config.hole_weight),
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
) -> dict[str, np.ndarray]:
  """Returns the loss and each metric of every picture of a split, as [N]."""
  collected = []
  waiting = None
  for batch in _batches(source, config, mesh):
    placed = sharding.put_batch(batch, mesh)
    values, _ = eval_step(variables, placed)
    # The devices are at work on this batch while the one before it is read.
    if waiting:
      collected.append(_without_padding(*waiting, mesh))
    waiting = values, placed['valid']
  collected.append(_without_padding(*waiting, mesh))
  return _concatenate(collected)


def sample_grid(
  eval_step: EvalStep,
  variables: Any,
  source: input_pipeline.Source,
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
  count: int,
) -> np.ndarray:
  """Returns the grid of a split's first pictures as uint8 [H, W, 3]."""
  collected, found = [], 0
  for batch in _batches(source, config, mesh):
    placed = sharding.put_batch(batch, mesh)
    _, pictures = eval_step(variables, placed)
    collected.append(_without_padding(pictures, placed['valid'], mesh))
    found += len(collected[-1]['image'])
    if found >= count:
      break
  pictures = {name: x[:count] for name, x in _concatenate(collected).items()}
  image, mask, output = (pictures[x] for x in ('image', 'mask', 'output'))
  return images.grid(
    {
      'original': image,
      'masked': image * (1 - mask),
      'output': output,
      'composite': np.asarray(metrics.composite(output, image, mask)),
    }
  )


def evaluate(
  workdir: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
  """Tests the best checkpoint of a run; prints a table and writes it as JSON.

  Args:
    workdir: the folder of the run.
    overrides: fields of the config to change, such as {'data.source': DIR}, of
      those in OVERRIDABLE.

  Returns:
    What test_metrics.json holds, or test_other.json if there are overrides:
    `step` and `epoch` of the checkpoint, the means over the test split for the
    net and each baseline, and the same by hole area.

  Raises:
    errors.UserError: no such run, no checkpoint, or a field that cannot be
      changed.
  """
  mesh = sharding.create_mesh()
  overrides = dict(overrides or {})
  for name in overrides:
    if not name.startswith(OVERRIDABLE):
      raise errors.UserError(
        f'{name} is part of what was trained and cannot be changed in '
        'an evaluation; what can: batch_size, eval_seed, data.*, masks.*'
      )
  net = trained_model.load_run(workdir, sharding.replicated(mesh))
  config = net.config.copy_and_resolve_references()
  config.update_from_flattened_dict(overrides)
  config_checks.check_numbers(config)
  # Found before the work, not after.
  if distributed.is_first():
    workdirs.check_writable(net.workdir)
  # Other pictures than those of the training are another dataset.
  elsewhere = set(workdirs.FREE_FIELDS) - {'data.source'}
  same_data = not any(
    name.startswith('data.') and name not in elsewhere for name in overrides
  )
  record = net.workdir / 'dataset.json' if same_data else None
  with distributed.first_before_others('dataset'):
    source = input_pipeline.load(config.data, record).splits['test']

  eval_step = make_eval_step(
    net.model,
    net.loss,
    masks.create_sampler(config.masks),
    config,
  )
  measured = _measure(eval_step, net, source, config, mesh)
  report = {
    'step': net.step,
    'epoch': net.info['epoch'],
    'parameters': models.count_parameters(net.variables['params']),
    'pictures': len(source),
    'config': config.to_dict(),
    'metrics': {
      method: {name: float(np.mean(x)) for name, x in values.items()}
      for method, values in measured.items()
    },
    'by_hole_area': {
      method: metrics.by_hole_area(values, values['hole_area'])
      for method, values in measured.items()
    },
  }
  print(format_report(report), flush=True)
  # What the run itself was tested on stays its test.
  name = 'test_other.json' if overrides else 'test_metrics.json'
  if distributed.is_first():
    with workdirs.disk_full_as_user_error(net.workdir):
      json_files.write(net.workdir / name, report)
  return report


def format_report(report: Mapping[str, Any]) -> str:
  """Returns a report of `evaluate` as text."""
  config = report['config']
  size, kind = config['data']['image_size'], config['masks']['kind']
  lines = [
    '',
    f'test: {report["pictures"]} pictures of {size}x{size} '
    f'({config["data"]["dataset"]}), masks {kind}, '
    f'checkpoint of step {report["step"]}',
  ]
  means = report['metrics']
  net = next(iter(means))
  names = [name for name in means[net] if name not in ('loss', 'hole_area')]
  rows = [
    [method, *(_number(values[name]) for name in names)]
    for method, values in means.items()
  ]
  lines += _align([['', *names], *rows])

  names = [name for name in _BUCKET_METRICS if name in means[net]]
  lines += ['', f'{net} by hole area']
  rows = [
    [
      f'{row["low"]:.0%} to {row["high"]:.0%}',
      str(row['count']),
      *(_number(row['means'][name]) for name in names),
    ]
    for row in report['by_hole_area'][net]
  ]
  lines += _align([['', 'pictures', *names], *rows])
  return '\n'.join(lines)


def _measure(
  eval_step: EvalStep,
  net: trained_model.TrainedModel,
  source: input_pipeline.Source,
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
) -> dict[str, dict[str, np.ndarray]]:
  """Returns {method: {metric: [N]}} for the net, then the baselines."""
  perceptual = lpips.load(sharding.replicated(mesh))
  if perceptual is None:
    print("no LPIPS: pip install -e '.[metrics]' adds it")
  fills = baselines.available()
  for name in baselines.BASELINES.keys() - fills.keys():
    print(f"no {name}: pip install -e '.[metrics]' adds it")

  compute = jax.jit(metrics.compute)
  composite = jax.jit(metrics.composite)
  area = jax.jit(metrics.hole_area)
  collected = {name: [] for name in (config.model.name, *fills)}
  with futures.ThreadPoolExecutor() as pool:
    batches = tqdm.tqdm(
      _batches(source, config, mesh),
      total=-(-len(source) // sharding.round_up(config.batch_size, mesh)),
      desc='testing',
      unit='batch',
      disable=None if distributed.is_first() else True,
    )
    for batch in batches:
      placed = sharding.put_batch(batch, mesh)
      values, pictures = eval_step(net.variables, placed)
      image, mask = pictures['image'], pictures['mask']
      outputs = {config.model.name: (values, pictures['output'])}
      # Each process fills the pictures that it has read.
      rows = sharding.local_rows(len(mask), mesh)
      mask_uint8 = sharding.gather(mask, mesh)[rows, ..., 0].astype(np.uint8)
      for name, fill in fills.items():
        filled = np.stack(list(pool.map(fill, batch['image'], mask_uint8)))
        output = sharding.put_batch(filled, mesh).astype(jnp.float32) / 255
        outputs[name] = compute(output, image, mask), output
      for name, (values, output) in outputs.items():
        values = {**values, 'hole_area': area(mask)}
        if perceptual:
          values['lpips'] = perceptual(composite(output, image, mask), image)
        collected[name].append(_without_padding(values, placed['valid'], mesh))
  return {name: _concatenate(rows) for name, rows in collected.items()}


def _batches(
  source: input_pipeline.Source,
  config: ml_collections.ConfigDict,
  mesh: jax.sharding.Mesh,
) -> Iterator[input_pipeline.Batch]:
  # Padding makes a batch of any size fit any number of devices.
  batch_size = sharding.round_up(config.batch_size, mesh)
  return input_pipeline.eval_batches(
    source,
    config.data,
    batch_size=batch_size,
    rows=sharding.local_rows(batch_size, mesh),
  )


def _without_padding(
  values: Mapping[str, jax.Array], valid: jax.Array, mesh: jax.sharding.Mesh
) -> dict[str, np.ndarray]:
  values, valid = sharding.gather((dict(values), valid), mesh)
  return {name: x[valid > 0] for name, x in values.items()}


def _concatenate(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
  # jit sorts the names of what it returns.
  names = [name for name in NAMES if name in rows[0]]
  names += [name for name in rows[0] if name not in names]
  return {name: np.concatenate([row[name] for row in rows]) for name in names}


def _number(value: float) -> str:
  return f'{value:.2f}' if abs(value) >= 10 else f'{value:.4f}'


def _align(rows: list[list[str]]) -> list[str]:
  """Returns rows as lines: the first column to the left, the rest right."""
  widths = [max(len(x) for x in column) for column in zip(*rows, strict=True)]
  return [
    '  '.join(
      x.rjust(width) if i else x.ljust(width)
      for i, (x, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in rows
  ]
