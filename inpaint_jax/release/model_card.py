"""The page that tells what a released net is, from facts alone."""

from collections.abc import Mapping, Sequence
import textwrap
from typing import Any, NamedTuple

from inpaint_jax import __version__, models
from inpaint_jax.runs import trained_model

# What a metric says, and where its best value is: 'low', 'high' or 'one'; ''
# if it is not best where the picture is right.
_METRICS = {
  'hole_l1': ('mean error within the hole', 'low'),
  'hole_psnr': ('dB within the hole', 'high'),
  'psnr': ('dB over the picture', 'high'),
  'ssim': ('structural similarity, at most 1', 'high'),
  'lpips': ('perceptual distance', 'low'),
  'seam_ratio': ("steps across the hole's rim, 1 = as in the truth", 'one'),
  'seconds': ('seconds a picture', 'low'),
  'l1': ('mean error of the whole output', 'low'),
  'l2': ('mean squared error of the whole output', 'low'),
  'cosine': ('of colours, whole output, at most 1', 'high'),
  'poisson_nll': ('of the whole output, as the reference study has it', ''),
}
# Of the tables by hole area, as far as they were measured.
_BY_AREA = ('hole_psnr', 'lpips')
_TITLES = {
  'unet': 'UNet',
  'encoder_decoder': 'encoder-decoder',
  'mean_fill': 'mean fill',
  'telea': 'Telea',
  'patchmatch': 'PatchMatch',
}


class Difference(NamedTuple):
  """How far half precision moves a net's pictures, in levels of 255."""

  largest: float
  mean: float
  pictures: int


class Facts(NamedTuple):
  """What a card tells.

  Attributes:
    name: of the model; its files are NAME.safetensors and NAME.jpg.
    source: what zoo.load takes to load it.
    net: the net.
    report: what evaluate.evaluate returned for it.
    commands: of its training, first to last, over several lines each.
    data: what it was trained on, a sentence or more.
    license: of the file.
    notes: what else is to be said, or ''.
    size: of the file, in bytes.
    digest: SHA-256 of the file.
    difference: between the file and what the report is about.
  """

  name: str
  source: str
  net: trained_model.TrainedModel
  report: Mapping[str, Any]
  commands: Sequence[str]
  data: str
  license: str
  notes: str
  size: int
  digest: str
  difference: Difference


def render(facts: Facts) -> str:
  """Returns the card as Markdown."""
  sections = [
    _top(facts),
    _use(facts),
    _recipe(facts),
    f'## Data and licence\n\n{facts.data}\n\nThe file: {facts.license}',
    _metrics(facts),
    _limits(facts),
  ]
  return '\n\n'.join(sections) + '\n'


def title(method: str) -> str:
  """Returns a net's or baseline's name as a text has it."""
  return _TITLES.get(method, method)


def _top(facts: Facts) -> str:
  net, config = facts.net, facts.net.config
  size = config.data.image_size
  count = models.count_parameters(net.variables['params'])
  features = ', '.join(map(str, config.model.features))
  weight = (
    f', pixels of a hole counted {config.hole_weight:g} times'
    if config.hole_weight != 1
    else ''
  )
  rows = [
    ('file', f'`{facts.name}.safetensors`, {facts.size / 1e6:.2f} MB'),
    ('SHA-256', f'`{facts.digest}`'),
    ('net', f'{title(config.model.name)} ({features}), {count:,} parameters'),
    ('working size', f'{size}x{size} pixels'),
    ('loss', f'`{config.loss}`{weight}'),
    ('holes in training', f'`{config.masks.kind}`'),
    (
      'checkpoint',
      f'step {net.step:,}, epoch {net.info["epoch"]} of {config.num_epochs}, '
      'the best of its run in validation',
    ),
    ('precision', 'float16 in the file, float32 once loaded'),
    ('written by', f'inpaint_jax {__version__}'),
  ]
  caption = _paragraph(
    '*Validation pictures, which the net did not learn from: original, with '
    "holes, the net's output, and the composite, in which every known pixel is "
    "the original's. Drawn in training, after the epoch of this checkpoint.*"
  )
  return f"""# {facts.name}

A net that fills the holes of photographs.

![Photographs with holes, and what the net makes of them]({facts.name}.jpg)

{caption}

{_table(rows[0], rows[1:], texts=2)}"""


def _use(facts: Facts) -> str:
  return f"""## Use

```python
from inpaint_jax.inpainting import inpainter

inpainter = inpainter.load('{facts.source}')
result = inpainter(image, mask)  # uint8 [H, W, 3], [H, W]; mask: 255 = hole
```

```
python scripts/inpaint.py --model={facts.source} \\
  photo.jpg mask.png out.png
```

To train on from it, `--config.init_from={facts.source}`."""


def _recipe(facts: Facts) -> str:
  lines = ['## Recipe', '', '```', *facts.commands, '```', '']
  lines += [f'An epoch was {_pictures_an_epoch(facts):,} pictures.']
  if any('=DIR' in command for command in facts.commands):
    lines[-1] += ' `DIR` is the folder of photographs.'
  if facts.notes:
    lines += ['', facts.notes]
  return '\n'.join(lines)


def _pictures_an_epoch(facts: Facts) -> int:
  steps = facts.net.step // facts.net.info['epoch']
  return steps * facts.net.config.batch_size


def _metrics(facts: Facts) -> str:
  report, difference = facts.report, facts.difference
  config, means = report['config'], report['metrics']
  size = config['data']['image_size']
  rows = []
  for name in _measured(means):
    text, _ = _METRICS.get(name, ('', ''))
    values = [means[method].get(name) for method in means]
    rows.append([f'`{name}`', text, *_marked(name, values)])
  tables = [_table(['', '', *map(title, means)], rows, texts=2)]
  for name in _BY_AREA:
    if name in means[config['model']['name']]:
      tables += [f'`{name}` by the area of the hole:', _by_area(report, name)]
  body = '\n\n'.join(tables)
  head = _paragraph(
    f'Means over the {report["pictures"]:,} pictures of the test split, '
    f'{size}x{size}, with holes of kind `{config["masks"]["kind"]}`, as '
    "`--mode=evaluate` measured them on the run's checkpoint; the best of each "
    'row in bold. All but the rows of the whole output are of the composite in '
    '8 bits.'
  )
  foot = _paragraph(
    'The checkpoint that was measured is in float32. On '
    f'{difference.pictures} drawn landscapes with holes, what this file fills '
    f'in differs from what the checkpoint fills in by {difference.mean:.2g} of '
    f'255 levels in the mean, {difference.largest:.2g} at most.'
  )
  return f'## Metrics\n\n{head}\n\n{body}\n\n{foot}'


def _measured(means: Mapping[str, Mapping[str, float]]) -> list[str]:
  """Returns the metrics of a report, those of _METRICS first, in its order."""
  found = dict.fromkeys(name for values in means.values() for name in values)
  names = [name for name in _METRICS if name in found]
  names += [name for name in found if name not in names]
  return [name for name in names if name not in ('loss', 'hole_area')]


def _limits(facts: Facts) -> str:
  size = facts.net.config.data.image_size
  means = facts.report['metrics']
  mine, *others = means
  behind = {
    other: [
      f'`{name}`'
      for name in _measured(means)
      if _is_better(name, means[other].get(name), means[mine].get(name))
    ]
    for other in others
  }
  better = '; '.join(
    f'{title(other)} in {", ".join(names)}'
    for other, names in behind.items()
    if names
  )
  lines = [
    f'It was trained at {size}x{size} pixels, with holes of about half of '
    'that: the inside of a larger one is filled at a reduced size, and '
    'enlarged.',
    *([f'Better on the test above: {better}.'] if better else []),
    'It was measured on no other pictures and holes than those. Subjects '
    'unlike its data, such as faces, text and rooms, have to be tried.',
    'What it paints is made up, and no evidence of what was there.',
  ]
  lines = [textwrap.indent(_paragraph(x, 78), '  ') for x in lines]
  return '\n'.join(['## Limits', '', *('-' + x[1:] for x in lines)])


def _by_area(report: Mapping[str, Any], name: str) -> str:
  buckets = report['by_hole_area']
  rows = []
  for same in zip(*buckets.values(), strict=True):
    first = same[0]
    rows.append(
      [
        f'{first["low"]:.0%} to {first["high"]:.0%}',
        f'{first["count"]:,}',
        *_marked(name, [row['means'].get(name) for row in same]),
      ]
    )
  return _table(['hole', 'pictures', *map(title, buckets)], rows, texts=1)


def _is_better(name: str, one: float | None, other: float | None) -> bool:
  best = _METRICS.get(name, ('', ''))[1]
  if not best or one is None or other is None:
    return False
  return _badness(one, best) < _badness(other, best)


def _marked(name: str, values: Sequence[float | None]) -> list[str]:
  """Returns values of a metric as text, the best of them in bold."""
  texts = ['' if x is None else _number(name, x) for x in values]
  best = _METRICS.get(name, ('', ''))[1]
  known = [x for x in values if x is not None]
  if not best or len(known) < 2:
    return texts
  # What looks the same in the table is marked alike.
  winner = _number(name, min(known, key=lambda x: _badness(x, best)))
  return [f'**{text}**' if text == winner else text for text in texts]


def _badness(value: float, best: str) -> float:
  """Returns a number that is smaller the better the value is."""
  return {'low': value, 'high': -value, 'one': abs(value - 1)}[best]


def _number(name: str, value: float) -> str:
  """Returns a value of a metric as text; decibels with fewer digits."""
  return f'{value:.2f}' if 'psnr' in name else f'{value:.4f}'


def _paragraph(text: str, width: int = 80) -> str:
  return textwrap.fill(
    text, width, break_long_words=False, break_on_hyphens=False
  )


def _table(
  head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int
) -> str:
  """Returns a table whose first `texts` columns are text, the rest numbers."""
  rule = ['---'] * texts + ['---:'] * (len(head) - texts)
  lines = [head, rule, *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
