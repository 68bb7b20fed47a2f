"""How the study was measured, and what a reader must not conclude of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from inpaint_jax.study import comparisons, plan, reference, results, statistics
from inpaint_jax.study.numbers import values


def base(rows: Sequence[results.Row]) -> results.Row:
  """Returns a row of the base of all questions."""
  return next((row for row in rows if row['cell'] == plan.BASE), rows[0])


def finished(rows: Sequence[results.Row]) -> list[results.Row]:
  """Returns the rows of the runs that did not diverge."""
  return [row for row in rows if row['status'] == results.FINISHED]


def split(rows: Sequence[results.Row]) -> str:
  """Returns the split that metrics are of."""
  return 'test' if base(rows)['num_test'] else 'validation'


def weaknesses(
  rows: Sequence[results.Row],
  compared: Sequence[comparisons.Comparison],
  fields: Mapping[str, Any],
  *,
  is_swept: bool,
) -> str:
  """Returns what a reader must not conclude.

  Args:
    rows: of the study.
    compared: the answers.
    fields: of the base's config, {} if they are unknown.
    is_swept: whether learning rates were chosen from a few.
  """
  side, steps = base(rows)['image_size'], base(rows)['steps']
  ended = finished(rows)
  falling = sum(row['best_step'] == row['steps'] for row in ended)
  tests = sum(2 * (len(x.members) - 1) for x in compared)
  chance = tests * (1 - statistics.CONFIDENCE)
  uneven, rates = '', 'Learning rates were not swept; epochs are chosen'
  if len({len(member.rows) for x in compared for member in x.members}) > 1:
    uneven = (
      ', and of some cells fewer, so that their means are over other seeds'
    )
  if is_swept:
    rates = 'Learning rates are chosen by the validation loss, and epochs'
  masks = f', {fields["masks.kind"]}' if 'masks.kind' in fields else ''
  lines = [
    f'Small: {side}x{side} images and {steps:,} steps, where the reference has '
    '256x256 and 6,260. Orders may change with both.',
    f'Short: {falling} of {len(ended)} runs were best at the last step, and '
    'might have gone on getting better.',
    f'Few seeds{uneven}. The number of seeds that would tell rests on a '
    'deviation of as few, and on a difference that may itself be chance.',
    f'{rates} by {fields.get("best_metric", "val/loss")} unless a cell has '
    'another best_metric. The loss is of the whole image, known pixels too: '
    'neither the least error within holes, nor what looks best.',
    'Objectives that compare deep features are trained on a net that LPIPS '
    'measures with.',
    'The best is chosen and compared on the same images, which favours it.',
    f'{tests} differences are tested, each with {statistics.CONFIDENCE:.0%}: '
    f'if there were none at all, about {chance:.1f} would be found.',
    'One factor at a time, one kind of photos, landscapes, and one choice of '
    f'masks{masks}: nothing is said of others.',
    reference.EVERYWHERE,
  ]
  if split(rows) == 'validation':
    lines.append(
      'Not tested: all metrics are of the validation images, by which the '
      'epoch was chosen, too.'
    )
  return '\n'.join(['## Weaknesses', '', *(f'- {line}' for line in lines)])


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

- Numbers are means ± standard deviations over the seeds. For a given seed all
  cells have the same order of images, augmentation and training masks, and the
  same initial weights if they have the same model; {split(rows)} images and
  masks, which the metrics are of, are the same in all runs.
- A seed that diverged, or ended {comparisons.COLLAPSE:g} dB or more below the
  median of its cell ("collapsed"), is in no mean; the tables tell it.
- Differences in tables and plots are from the base of all questions, paired by
  seed and image, with {percent} intervals over other {over}; bold: 0 is
  outside. Everything else is a tie, or, with two seeds, not told: which is not
  to say that there is no difference.
- Seeds that would tell: for a paired t-test with {percent} and a power of \
{statistics.POWER:.0%}.
- Hole PSNR, SSIM, LPIPS (AlexNet), seam, texture and "told apart" (see
  docs/evaluating.md) are of the composite in 8 bits; whole L1 is of the model's
  whole output.
- Milliseconds of a step are with whatever else ran on the device.
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
  return (
    f'All runs had the same images (hash {found["images"]}), and the same '
    f'masks in what is measured (hash {found["masks"]}).'
  )
