"""The comparisons: which cells are in them, which rates are chosen."""

import numpy as np
import pytest

from inpaint_jax.study import comparisons, results


def test_validation_and_not_the_test_chooses_the_rate(small, make_row):
  """The rate with the best test has the worst validation."""
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


def _fail(row, how):
  if how == 'diverged':
    row['status'] = results.DIVERGED
  else:
    row['test/hole_psnr'] -= comparisons.COLLAPSE


@pytest.mark.parametrize('how', ['diverged', 'collapsed'])
def test_the_rate_with_the_fewest_failed_seeds_is_chosen(small, make_row, how):
  """Whether they diverged or collapsed, even if the others are the best."""
  cells = {cell.name: cell for cell in small.cells}
  rows = [
    make_row(
      cells[f'optimizer/sgd/lr{rate:g}'], seed, 18.0, **{'val/loss': loss}
    )
    for rate, loss in ((0.001, 0.2), (0.1, 0.1), (1, 0.3))
    for seed in range(3)
  ]

  def chosen():
    (sweep,) = comparisons.sweeps(comparisons.members(rows))
    return sweep.chosen

  assert chosen() == 0.1
  _fail(rows[4], how)
  assert chosen() == 0.001
  _fail(rows[0], how)
  assert chosen() == 1
  _fail(rows[8], how)
  assert chosen() == 0.1


def test_a_cell_of_which_every_rate_failed_is_compared(small, make_row):
  rows = []
  for cell in small.cells:
    row = make_row(cell, 0, 18.0)
    if cell.name.startswith('optimizer/sgd/'):
      row['status'] = results.DIVERGED
    rows.append(row)
  found = comparisons.create(comparisons.members(rows))
  (optimizers,) = (x for x in found if x.factor == 'optimizer')
  (failed,) = (x for x in optimizers.members if not x.rows)
  assert failed.label == 'sgd at 0.001'
  assert failed.num_failed == 1


def test_comparisons_of_the_whole_study(made_up):
  rows = results.read(made_up / 'results.csv')
  by_factor = {
    x.factor: x for x in comparisons.create(comparisons.members(rows))
  }
  assert [*by_factor] == ['loss', 'model', 'optimizer']
  # Each optimizer is there once, at the rate that validation chose.
  labels = [
    m.label.partition(' at ')[0] for m in by_factor['optimizer'].members
  ]
  assert labels == ['adam', 'adagrad', 'rmsprop', 'sgd', 'sgd_momentum']
  assert len(by_factor['loss'].members) == 5
  assert [m.label for m in by_factor['model'].sorted('test/hole_psnr')] == [
    'unet',
    'encoder_decoder',
  ]
  # Less is better.
  lpips = by_factor['model'].sorted('test/lpips')
  assert [m.label for m in lpips] == ['unet', 'encoder_decoder']


def _compare(small, make_row, values, curves=None):
  """Returns a comparison of losses: {loss: hole_psnr of each seed}."""
  cells = {x: cell for cell in small.cells for x in cell.names}
  rows = []
  for loss, of_seeds in values.items():
    for seed, psnr in enumerate(of_seeds):
      row = make_row(cells[f'loss/{loss}'], seed, psnr)
      row['curves'] = (curves or {}).get(loss)
      rows.append(row)
  found = comparisons.create(comparisons.members(rows))
  return next(x for x in found if x.factor == 'loss')


def test_ties_are_what_chance_could_put_first(small, make_row):
  values = {
    'mse': [20, 21, 22],
    'l1': [20.1, 21.0, 21.8],
    'kl_div': [17, 18, 19],
  }
  tied = _compare(small, make_row, values).ties('hole_psnr')
  assert [x.label for x in tied] == ['mse', 'l1']


def test_the_order_by_step_is_that_of_validation(small, make_row):
  """For a step without validation, it is that of the next one with it."""
  nan = float('nan')

  def curve(*psnr):
    steps = np.array([1, 100, 150, 200, 400])
    return {'step': steps, 'val/hole_psnr': np.array([nan, *psnr])}

  curves = {'mse': curve(10, nan, 11, 14), 'l1': curve(9, nan, 12, 13)}
  values = {'mse': [20, 20], 'l1': [21, 21]}
  found = _compare(small, make_row, values, curves)
  assert found.order_at(0.25) == (100, ['mse', 'l1'])
  assert found.order_at(0.3) == (200, ['l1', 'mse'])
  assert found.order_at(1) == (400, ['mse', 'l1'])
