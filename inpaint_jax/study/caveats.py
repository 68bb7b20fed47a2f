"""How the study was measured, and what a reader must not conclude from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from inpaint_jax.study import comparisons, plan, reference, results, statistics
from inpaint_jax.study.numbers import values


def base(rows: Sequence[results.Row]) -> results.Row:
  """Returns a row of the base cell; if it has none, the first of all rows.

  Of the rows to choose from, one of a run that finished is preferred.
  """
  order = [*finished(rows), *rows]
  return next((row for row in order if row['cell'] == plan.BASE), order[0])


def finished(rows: Sequence[results.Row]) -> list[results.Row]:
  """Returns the rows of the runs that did not diverge."""
  return [row for row in rows if row['status'] == results.FINISHED]


def split(rows: Sequence[results.Row]) -> str:
  """Returns the name of the split on which the metrics were measured."""
  return 'test' if base(rows)['num_test'] else 'validation'


def weaknesses(
  rows: Sequence[results.Row],
  compared: Sequence[comparisons.Comparison],
  about: Mapping[str, Any],
  *,
  is_swept: bool,
) -> str:
  """Returns what a reader must not conclude.

  `about` is what study.json holds, {} if there is none; `is_swept` says whether
  learning rates were chosen by sweeps.
  """
  side, ended = base(rows)['image_size'], finished(rows)
  fields = about.get('base', {})
  # A run that diverged has no steps.
  steps = values(ended, 'steps')
  falling = sum(row['best_step'] == row['steps'] for row in ended)
  tests = sum(x.num_tested() for x in compared)
  chance = tests * (1 - statistics.CONFIDENCE)
  uneven, rates = '', 'Learning rates were not swept; epochs are chosen'
  if len({len(member.rows) for x in compared for member in x.members}) > 1:
    uneven = ', and fewer for some cells, whose means are over other seeds'
  if about.get('more_seeds'):
    uneven += (
      '. Further seeds are for cells that the first ones did not tell apart, '
      'and such a choice makes a difference by chance likelier'
    )
  if is_swept:
    rates = 'Learning rates are chosen by the validation loss, epochs'
  masks = f', {fields["masks.kind"]}' if 'masks.kind' in fields else ''
  lines = [
    f'Small: {side}x{side} images and {steps} steps, where the reference has '
    '256x256 and 6,260. Rankings may change with both.',
    f'Short: {falling} of {len(ended)} runs were best at their last step and '
    'might have improved further.',
    f'Few seeds{uneven}. The number of seeds that would tell two cells apart '
    'is estimated from these few, and from a difference that may be chance.',
    f'{rates} by {fields.get("best_metric", "val/loss")} unless a cell has '
    'another best_metric. The loss covers the whole image, known pixels '
    'included: its minimum is neither the least error in holes nor the best '
    'look.',
    'Objectives that compare deep features use the same net as LPIPS, which '
    'favours them in LPIPS.',
    'The best cell is chosen and compared on the same images, which favours '
    'it.',
    f'{tests} differences are tested at {statistics.CONFIDENCE:.0%} each: even '
    f'if none existed, about {chance:.1f} would be found.',
    'Only one factor changes at a time, all images are from one dataset, and '
    f'all masks are of one kind{masks}: other combinations may rank '
    'differently.',
    reference.EVERYWHERE,
  ]
  if split(rows) == 'validation':
    lines.append(
      'Not tested: all metrics are of the validation images, which also chose '
      'the epoch.'
    )
  return '\n'.join(['## Weaknesses', '', *(f'- {line}' for line in lines)])


def recipes(rows: Sequence[results.Row], about: Mapping[str, Any]) -> str:
  """Returns which cells change more than their factor and its rate."""
  found = ''
  for cell in dict.fromkeys(row['cell'] for row in rows):
    fields = about.get('changes', {}).get(cell, {})
    sections = {name.split('.')[0] for name in fields}
    sections -= {'optimizer', 'best_metric'}
    if len(sections) > 1:
      found += f', but for the recipe `{cell}` ({", ".join(sorted(sections))})'
  return found


def method(rows: Sequence[results.Row]) -> str:
  """Returns how it was measured."""
  percent = f'{statistics.CONFIDENCE:.0%}'
  over = 'seeds (paired t-test)'
  if any('images/hole_psnr' in row for row in rows):
    over = (
      'seeds and other images\n  together (images resampled, seeds by '
      "Student's distribution)"
    )
  return f"""## How it was measured

- Numbers are means ± standard deviations over the seeds. With the same seed,
  all cells see the same images in the same order with the same augmentation and
  training masks, and start from the same weights if they have the same model.
  All runs are measured on the same {split(rows)} images and masks.
- A seed that diverged, or ended {comparisons.COLLAPSE:g} dB or more below the
  median of its cell ("collapsed"), is left out of the mean; the tables name it.
- Differences in tables and plots are to the base, paired by seed and image,
  with {percent} intervals over other {over}. Bold: the
  interval excludes 0. Everything else is a tie, which does not mean that there
  is no difference.
- The number of seeds that would tell two cells apart is for a paired t-test at
  {percent} with a power of {statistics.POWER:.0%}.
- Hole PSNR, SSIM, LPIPS (AlexNet), seam, texture and detectability are measured
  on the composite in 8 bits, whole L1 on the model's whole output; see
  docs/evaluating.md.
- The time of a step includes whatever else ran on the device.
- Trained on {values(rows, 'device')}, {values(rows, 'cores')} core(s); \
{values(rows, 'versions')}.
- {_sameness(finished(rows))}"""


def _sameness(rows: Sequence[results.Row]) -> str:
  columns = {'images': 'data_hash', 'masks': 'mask_hash'}
  found = {name: values(rows, column) for name, column in columns.items()}
  differing = [x for x, hashes in found.items() if len(hashes.split()) != 1]
  if differing:
    return (
      f'**The runs differ in their {" and ".join(differing)}: they cannot be '
      'compared.** See the columns of hashes in results.csv.'
    )
  images = 'the same images'
  if len({(row['num_train'], row['num_val']) for row in rows}) > 1:
    # The hash is that of the base's images.
    images = 'images of the same dataset, in different numbers'
  return (
    f'All runs had {images} (hash {found["images"]}) and were measured '
    f'with the same masks (hash {found["masks"]}).'
  )
