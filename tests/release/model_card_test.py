"""model_card.py: the card says what was measured."""

import re

import flax.linen as nn
import jax.numpy as jnp
import pytest
from random_models import create_model

from inpaint_jax import metrics
from inpaint_jax.release import model_card

METRICS = {
  'unet': {'hole_l1': 0.2, 'psnr': 20.0, 'seam_ratio': 1.2, 'fid': 3.0},
  'telea': {'hole_l1': 0.1, 'psnr': 21.0, 'seam_ratio': 0.9, 'fid': 1.0},
  'mean_fill': {'hole_l1': 0.3, 'psnr': 20.999, 'fid': 2.0},
}


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  folder = tmp_path_factory.mktemp('released')
  (folder / 'x.safetensors').write_bytes(bytes(1_000_000))
  model = create_model()
  model.config.batch_size = 16
  return model._replace(workdir=folder, step=20, info={'epoch': 2})


def _render(
  model, means=METRICS, commands=('python main.py',), notes='', has_samples=True
):
  path = model.workdir / 'x.safetensors'
  path.with_suffix('.jpg').unlink(missing_ok=True)
  if has_samples:
    path.with_suffix('.jpg').touch()
  config = model.config.to_dict()
  config['data']['image_size'] = 48
  report = {'images': 7, 'config': config, 'metrics': means}
  report['by_hole_area'] = {
    method: [{'low': 0.1, 'high': 0.2, 'count': 1234, 'means': values}]
    for method, values in means.items()
  }
  return model_card.render(
    path=path,
    source='x.safetensors',
    model=model,
    report=report,
    commands=commands,
    data='Drawings.',
    license='MIT.',
    notes=notes,
  )


def test_a_card_without_samples_shows_none(model):
  card = _render(model, has_samples=False)
  assert 'x.jpg' not in card
  assert 'Validation images' not in card


def test_a_card_tells_its_facts(model):
  card = _render(model, notes='In seconds.')
  for text in (
    '# x\n',
    '(x.jpg)',
    '`x.safetensors`, 1.00 MB',
    '| model | UNet (8, 12, 16), ',
    'step 20, epoch 2 of ',
    "inpainter = inference.load('x.safetensors')",
    'inpaint-jax --guide=x.safetensors photo.jpg mask.png out.png\n',
    'An epoch was 160 images.',
    'In seconds.',
    'Drawings.',
    'MIT.',
    'the 7 images of the test split, 48x48',
  ):
    assert text in card
  assert not re.search(r'\bNone\b|\bnan\b|\{', card)
  for line in card.splitlines():
    assert len(line) <= 80 or line.startswith(('|', '!['))


def test_the_precision_is_that_of_the_training(model):
  assert 'bfloat16' not in _render(model)
  made = create_model(dtype=jnp.bfloat16, base='harmonic')
  card = ' '.join(_render(model._replace(model=made.model)).split())
  assert '; trained with activations in bfloat16 |' in card
  assert "on the run's checkpoint, in bfloat16;" in card


def test_a_model_without_features_and_dtype_shows_none(model):
  model.config.model.dtype = 'bfloat16'  # The model lacks the field.
  card = _render(model._replace(model=nn.Sequential([])))
  model.config.model.dtype = 'float32'
  assert '| model | UNet, ' in card
  assert 'activations' not in card
  assert 'in float32;' in ' '.join(card.split())


def test_the_folder_of_photographs_is_explained(model):
  assert '`DIR` is' not in _render(model)
  commands = ['python main.py --config.data.source=DIR']
  assert '`DIR` is' in _render(model, commands=commands)


def test_the_best_of_each_row_is_bold(model):
  """By the direction of each metric; equal texts are marked alike."""
  rows = {}
  for line in _render(model).splitlines():
    name, *cells = [x.strip() for x in line.strip('|').split('|')]
    rows.setdefault(name, cells[-3:])
  assert rows['`hole_l1`'] == ['0.2000', '**0.1000**', '0.3000']
  assert rows['`psnr`'] == ['20.00', '**21.00**', '**21.00**']
  assert rows['`seam_ratio`'] == ['1.2000', '**0.9000**', '']
  # A metric that the card does not know has no best value.
  assert rows['`fid`'] == ['3.0000', '1.0000', '2.0000']


def test_the_best_of_a_metric_of_ones_own_is_bold(model, monkeypatch):
  monkeypatch.setitem(metrics.COMPOSITE_METRICS, 'fid', metrics.l1)
  assert '| `fid` |  | 3.0000 | **1.0000** | 2.0000 |' in _render(model)


def test_a_table_by_hole_area(model):
  means = {name: {'hole_psnr': x['psnr']} for name, x in METRICS.items()}
  row = '| 10% to 20% | 1,234 | 20.00 | **21.00** | **21.00** |'
  assert row in _render(model, means)
  assert row not in _render(model)


def test_the_limits_name_what_is_better(model):
  card = ' '.join(_render(model).split())
  assert (
    'above: Telea in `hole_l1`, `psnr`, `seam_ratio`; mean fill in `psnr`. -'
  ) in card
  alone = {'unet': METRICS['unet'], 'telea': METRICS['unet']}
  assert 'Better on' not in _render(model, alone)
