"""The comparisons: which cells are in them, which rates are chosen."""

from inpaint_jax.study import comparisons, results


def test_validation_and_not_the_test_chooses_the_rate(small, make_row):
  """A rate with the best test has the worst validation."""
  cells = {cell.name: cell for cell in small.cells}
  rows = []
  for rate, psnr, loss in ((0.001, 10, 0.2), (0.1, 12, 0.1), (1, 20, 0.3)):
    cell = cells[f'optimizer/sgd/lr{rate:g}']
    rows += [
      make_row(cell, seed, psnr, **{'val/loss': loss}) for seed in range(3)
    ]
  (sweep,) = comparisons.sweeps(comparisons.members(rows))
  assert (sweep.name, sweep.chosen) == ('optimizer/sgd', 0.1)
  assert not sweep.is_at_edge
  # A rate of which one seed diverged is out, however good the others.
  rows[4] |= {'status': results.DIVERGED}
  (sweep,) = comparisons.sweeps(comparisons.members(rows))
  assert sweep.chosen == 0.001
  assert sweep.is_at_edge


def test_a_sweep_without_the_rate_of_the_reference(small, make_row):
  rows = [
    make_row(run.cell, run.seed, 18.0)
    for run in small.runs
    if run.cell.name != 'optimizer/sgd/lr0.001'
  ]
  *_, same = comparisons.create(comparisons.members(rows))
  assert same.key == 'optimizer_0.001'
  labels = [member.label for member in same.members]
  assert len(labels) == 4
  assert 'sgd at 0.001' not in labels


def test_comparisons_of_the_whole_study(made_up):
  rows = results.read(made_up / 'results.csv')
  found = comparisons.create(comparisons.members(rows))
  assert [x.key for x in found] == [
    'loss',
    'model',
    'optimizer',
    'optimizer_0.001',
  ]
  by_key = {x.key: x for x in found}
  labels = [m.label for m in by_key['optimizer_0.001'].members]
  assert sorted(labels) == [
    f'{x} at 0.001'
    for x in ('adagrad', 'adam', 'rmsprop', 'sgd', 'sgd_momentum')
  ]
  assert by_key['optimizer'].base.label.startswith('adam at')
  assert by_key['loss'].base.label == 'mse'
  assert len(by_key['loss'].members) == 5
  assert [m.label for m in by_key['model'].sorted('test/hole_psnr')] == [
    'unet',
    'encoder_decoder',
  ]
