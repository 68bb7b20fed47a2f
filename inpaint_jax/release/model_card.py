"""The model card of a released model, rendered from facts alone."""

from collections.abc import Mapping, Sequence
import math
import pathlib
import textwrap
from typing import Any

import numpy as np

from inpaint_jax import __version__, metrics, models
from inpaint_jax.release import downloads
from inpaint_jax.runs.trained_model import TrainedModel
from inpaint_jax.system import markdown

# What a metric means.
_METRICS = {
  'hole_l1': 'mean error within the hole',
  'hole_psnr': 'dB within the hole',
  'psnr': 'dB over the image',
  'ssim': 'structural similarity, at most 1',
  'lpips': 'perceptual distance',
  'lpips_vgg': 'perceptual distance by VGG16',
  'seam_ratio': "steps across the hole's rim, 1 = as in the truth",
  'texture_ratio': 'fine texture, 1 = as much as in the truth',
  'detectability': 'share told from the truth, 0.5 = nobody can',
  'fooled': 'share taken for more real than the truth',
  'l1': 'mean error of the whole output',
  'l2': 'mean squared error of the whole output',
  'cosine': 'of colours, whole output, at most 1',
  'poisson_nll': 'of the whole output, as the reference study has it',
}
# A metric whose best value is not that of the true image.
_WITHOUT_BEST = 'poisson_nll'
# Metrics that get a table by hole area.
_BY_AREA = ('hole_psnr', 'lpips')
_TITLES = {
  'unet': 'UNet',
  'attention_unet': 'attention UNet',
  'encoder_decoder': 'encoder-decoder',
  'mean_fill': 'mean fill',
  'harmonic': 'harmonic fill',
  'telea': 'Telea',
  'patchmatch': 'PatchMatch',
}


def render(
  path: pathlib.Path,
  source: str,
  model: TrainedModel,
  report: Mapping[str, Any],
  commands: Sequence[str],
  data: str,
  license: str,
  notes: str,
) -> str:
  """Returns the card as Markdown.

  Args:
    path: path of the released file; samples, if any, are NAME.jpg next to it.
    source: the argument with which zoo.load loads it.
    commands: the commands of its training in order, each over several lines.
  """
  sections = [
    _top(path, model),
    _use(source),
    _recipe(model, commands, notes),
    f'## Data and licence\n\n{data}\n\nThe file: {license}',
    _metrics(model, report),
    _limits(model, report),
  ]
  return '\n\n'.join(sections) + '\n'


def title(method: str) -> str:
  """Returns the name of a model or baseline for running text."""
  return _TITLES.get(method, method)


def _top(path: pathlib.Path, model: TrainedModel) -> str:
  config, samples = model.config, path.with_suffix('.jpg')
  size = config.data.image_size
  count = models.count_parameters(model.variables['params'])
  features = models.get_field(model.model, 'features')
  shown = f' ({", ".join(map(str, features))})' if features else ''
  dtype, trained = _dtype(model), ''
  if dtype != 'float32':
    trained = f'; trained with activations in {dtype}'
  weight = ''
  if config.hole_weight != 1:
    weight = f', pixels of a hole counted {config.hole_weight:g} times'
  rows = [
    ('file', f'`{path.name}`, {path.stat().st_size / 1e6:.2f} MB'),
    ('SHA-256', f'`{downloads.sha256(path)}`'),
    ('model', f'{title(config.model.name)}{shown}, {count:,} parameters'),
    ('working size', f'{size}x{size} pixels'),
    ('loss', f'`{config.loss}`{weight}'),
    ('holes in training', f'`{config.masks.kind}`'),
    (
      'checkpoint',
      f'step {model.step:,}, epoch {model.info["epoch"]} of '
      f'{config.num_epochs}, the best of its run in validation',
    ),
    ('precision', f'float16 in the file, float32 once loaded{trained}'),
    ('written by', f'inpaint_jax {__version__}'),
  ]
  caption = _paragraph(
    '*Validation images, which the model did not learn from: original, with '
    "holes, the model's output, and the composite, in which every known pixel "
    "is the original's. Drawn in training, after the epoch of this checkpoint.*"
  )
  image = (
    '![Photographs with holes, and what the model makes of them]'
    f'({samples.name})'
  )
  sections = [
    f'# {path.stem}',
    'A model that fills the holes of photographs.',
    *([image, caption] if samples.exists() else []),
    markdown.table(rows[0], rows[1:]),
  ]
  return '\n\n'.join(sections)


def _use(source: str) -> str:
  return f"""## Use

```python
from inpaint_jax import inference

inpainter = inference.load('{source}')
result = inpainter(image, mask)  # uint8 [H, W, 3], [H, W]; mask: 255 = hole
```

```
inpaint-jax --guide={source} photo.jpg mask.png out.png
```

To train on from it, `--config.init_from={source}`."""


def _recipe(model: TrainedModel, commands: Sequence[str], notes: str) -> str:
  images = model.step // model.info['epoch'] * model.config.batch_size
  last = f'An epoch was {images:,} images.'
  if any('=DIR' in command for command in commands):
    last += ' `DIR` is the folder of photographs.'
  if any('=CONFIG' in command for command in commands):
    last += " `CONFIG` is the model's own config file."
  if any('=MASKS' in command for command in commands):
    last += ' `MASKS` is the folder of mask files.'
  lines = ['## Recipe', '', '```', *commands, '```', '', last]
  return '\n'.join(lines + (['', notes] if notes else []))


def _metrics(model: TrainedModel, report: Mapping[str, Any]) -> str:
  config, means = report['config'], report['metrics']
  size = config['data']['image_size']
  rows = []
  for name in _measured(means):
    values = [means[method].get(name) for method in means]
    text = _METRICS.get(name, '')
    rows.append([f'`{name}`', text, *_mark_best(name, values)])
  tables = [markdown.table(['', '', *map(title, means)], rows, texts=2)]
  for name in _BY_AREA:
    if name in means[config['model']['name']]:
      tables += [f'`{name}` by the area of the hole:', _by_area(report, name)]
  body = '\n\n'.join(tables)
  head = _paragraph(
    f'Means over the {report["images"]:,} images of the test split, '
    f'{size}x{size}, with holes of kind `{config["masks"]["kind"]}`, as '
    "`--mode=evaluate` measured them on the run's checkpoint, in "
    f'{_dtype(model)}; the best of each row in bold. All but the rows of '
    'the whole output are of the composite in 8 bits.'
  )
  return f'## Metrics\n\n{head}\n\n{body}'


def _dtype(model: TrainedModel) -> str:
  """Returns the name of the type of a model's activations."""
  return np.dtype(models.get_field(model.model, 'dtype') or 'float32').name


def _measured(means: Mapping[str, Mapping[str, float]]) -> list[str]:
  """Returns the metrics of a report, those of _METRICS first, in its order."""
  found = dict.fromkeys(name for values in means.values() for name in values)
  names = [name for name in _METRICS if name in found]
  names += [name for name in found if name not in names]
  return [name for name in names if name not in ('loss', 'hole_area')]


def _limits(model: TrainedModel, report: Mapping[str, Any]) -> str:
  size, means = model.config.data.image_size, report['metrics']
  mine, *others = means
  better = []
  for other in others:
    names = [
      f'`{name}`'
      for name in _measured(means)
      if _badness(name, means[other]) < _badness(name, means[mine]) < math.inf
    ]
    if names:
      better.append(f'{title(other)} in {", ".join(names)}')
  items = [
    f'It was trained at {size}x{size} pixels. As a guide of the engine it sees '
    'a larger window at a reduced size.',
    *([f'Better on the test above: {"; ".join(better)}.'] if better else []),
    'It was measured on no other images and holes than those. Subjects '
    'unlike its data, such as faces, text and rooms, have to be tried.',
    'What it paints is made up, and no evidence of what was there.',
  ]
  lines = [textwrap.indent(_paragraph(x, 78), '  ') for x in items]
  return '\n'.join(['## Limits', '', *('-' + x[1:] for x in lines)])


def _by_area(report: Mapping[str, Any], name: str) -> str:
  buckets = report['by_hole_area']
  rows = []
  for same in zip(*buckets.values(), strict=True):
    low, high, count = (same[0][key] for key in ('low', 'high', 'count'))
    marked = _mark_best(name, [row['means'].get(name) for row in same])
    rows.append([f'{low:.0%} to {high:.0%}', f'{count:,}', *marked])
  head = ['hole', 'images', *map(title, buckets)]
  return markdown.table(head, rows, texts=1)


def _mark_best(name: str, values: Sequence[float | None]) -> list[str]:
  """Returns values of a metric as text, the best of them in bold."""
  # Decibels get fewer digits.
  digits = 2 if 'psnr' in name else 4
  texts = ['' if x is None else f'{x:.{digits}f}' for x in values]
  badness = [_badness(name, {name: x}) for x in values]
  if sum(x < math.inf for x in badness) < 2:
    return texts
  # Values that look equal in the table are marked alike.
  best = texts[badness.index(min(badness))]
  return [f'**{text}**' if text == best else text for text in texts]


def _badness(name: str, values: Mapping[str, float | None]) -> float:
  """Returns metrics.badness; inf if the value is missing or none is best."""
  value = values.get(name)
  # Reports of other versions may have metrics that this version does not know.
  known = {
    *_METRICS,
    *metrics.OUTPUT_METRICS,
    *metrics.COMPOSITE_METRICS,
    *metrics.TEST_METRICS,
  }
  if value is None or name not in known or name == _WITHOUT_BEST:
    return math.inf
  return metrics.badness(name, value)


def _paragraph(text: str, width: int = 80) -> str:
  return textwrap.fill(
    text, width, break_long_words=False, break_on_hyphens=False
  )
