"""The test of a run."""

import json
import pathlib

import numpy as np
import pytest

from inpaint_jax import datasets
from inpaint_jax.study import folder, results, testing
from inpaint_jax.training import evaluate


@pytest.mark.slow
def test_the_test_is_that_of_an_evaluation(studied):
  row = results.read_study(studied)[0]
  run = folder.run_folder(studied, 'base/seed0')
  theirs = json.loads((run / 'test_metrics.json').read_text())['metrics']
  ours = {k[5:]: v for k, v in row.items() if k.startswith('test/')}
  always = {*evaluate.metric_names(), 'texture_ratio'}
  deep = {'lpips', 'lpips_vgg', 'detectability', 'fooled'}
  assert ours.keys() - deep == always
  assert ours == pytest.approx(
    {name: theirs['tiny'][name] for name in ours}, rel=1e-5
  )
  assert row['images/l1'].mean() == pytest.approx(ours['l1'])


def test_each_pixel_counts_in_the_hash():
  images = np.zeros((3, 8, 8, 3), np.uint8)

  def hashed():
    split = [{'image': image} for image in images]
    splits = {'train': split, 'val': split[:1], 'test': split[:1]}
    return testing.data_hash(datasets.Dataset('x', splits, pathlib.Path()))

  before = hashed()
  assert before == hashed()
  images[2, 7, 7, 2] = 1
  assert before != hashed()
