"""The sections, with tiny models, as where PyTorch is not installed."""

import dataclasses
import importlib.machinery
import sys
import types

import numpy as np
from PIL import Image
import pytest

from configs import unet
from inpaint_jax import speed
from inpaint_jax.speed import cases, processes, report, sections
from inpaint_jax.system import errors


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch):
  monkeypatch.setitem(sys.modules, 'torch', None)


@pytest.fixture
def settings(tmp_path):
  fields = {
    'batch_size': 2,
    'num_epochs': 2,
    'model.name': 'encoder_decoder',
    'model.features': (4, 8, 16),
    'model.conv': 'xla',
    'data.image_size': 32,
    'data.num_train': 8,
    'data.num_val': 2,
    'data.num_test': 2,
  }
  config = unet.get_config()
  config.update_from_flattened_dict(fields)
  flags = (f'--config.{name}={value}' for name, value in fields.items())
  return sections.Settings(
    config=config,
    config_flags=('--config=configs/unet.py', *flags),
    folder=tmp_path,
    sizes=(32,),
    batches=(1,),
    seconds=0,
  )


@pytest.mark.slow
def test_modes_are_compared(settings, monkeypatch, capsys):
  monkeypatch.setitem(sections.MATRIX_SIZES, 'cpu', (32,))
  kept = report.Report(None)
  for section in (sections.products, sections.inference, sections.training):
    section(settings, kept)
  out = capsys.readouterr().out
  assert out.count('left out') == 1
  assert 'left out: PyTorch is not installed' in out
  assert [row['mode'] for row in kept.sections['inference']] == [
    'JAX float32',
    'JAX float32, quick to compile',
    'JAX bfloat16',
    'ONNX Runtime',
  ]
  ours = ['JAX float32', 'JAX bfloat16']
  assert [row['mode'] for row in kept.sections['training']] == ours
  for row in kept.sections['inference'] + kept.sections['training']:
    low, high = row['quartiles']
    assert 0 < low <= row['seconds'] <= high
    assert row['seconds_per_image'] == row['seconds'] / row['batch']
    assert row['flops_per_second'] == row['flops'] / row['seconds']
    dtype = 'bfloat16' if 'bfloat16' in row['mode'] else 'float32'
    assert row['share'] == row['flops_per_second'] / kept.rates[dtype]
    assert row['ratio'] is None
  assert 'Inference, 1 image of 32x32; ratio' in out


@pytest.mark.slow
def test_a_mode_that_fails_or_differs_is_left_out(
  settings, monkeypatch, capsys
):
  def create(case, mode, variables):
    del case, variables
    if 'compiled' in mode:
      raise RuntimeError('no\ng++')
    return lambda: np.full(3, 0.1 if 'other' in mode else 0.0)

  torch = types.ModuleType('torch')
  torch.__spec__ = importlib.machinery.ModuleSpec('torch', None)
  monkeypatch.setitem(sys.modules, 'torch', torch)
  torch_cases = types.SimpleNamespace(
    MODES=('float32, eager', 'float32, compiled', 'float32, other'),
    CREATE={'inference': create},
    prepare=lambda num_threads: None,
  )
  monkeypatch.setattr(speed, 'torch_cases', torch_cases, raising=False)
  monkeypatch.setitem(
    cases.CREATE, 'inference', lambda case, mode: lambda: np.zeros(3)
  )
  kept = report.Report(None)
  sections.inference(settings, kept)
  out = capsys.readouterr().out
  assert 'left out: inference, 1 image of 32x32: PyTorch float32, comp' in out
  assert 'compiled: no g++\n' in out
  assert 'other: differs from ours by 0.1, more than 0.0001\n' in out
  ratios = {row['mode']: row['ratio'] for row in kept.sections['inference']}
  assert ratios['PyTorch float32, eager'] == 1
  assert ratios['JAX float32'] > 0
  assert not {x for x in ratios if 'compiled' in x or 'other' in x}


@pytest.mark.parametrize(
  ('section', 'field', 'value'),
  [
    ('inference', 'model.base', 'harmonic'),
    ('inference', 'model.name', 'attention_unet'),
    ('training', 'loss', 'l1'),
    ('training', 'objectives.style', 0.1),
    ('training', 'ema_decay', 0.9),
    ('training', 'accumulate_steps', 2),
    ('training', 'optimizer.name', 'sgd'),
  ],
)
def test_pytorch_is_left_out_where_it_would_do_other_work(
  settings, monkeypatch, capsys, section, field, value
):
  monkeypatch.setitem(
    cases.CREATE, section, lambda case, mode: lambda: np.zeros(3)
  )
  settings.config.update_from_flattened_dict({field: value})
  kept = report.Report(None)
  getattr(sections, section)(settings, kept)
  shown = 'objectives' if field.startswith('objectives') else field
  assert f'PyTorch: its code follows no {shown} but' in capsys.readouterr().out
  assert all('PyTorch' not in x['mode'] for x in kept.sections[section])


def test_scaling_leaves_out_what_would_take_too_long(
  settings, monkeypatch, capsys
):
  def measure_alone(case, mode, seconds):
    assert (mode, seconds) == ('float32', 0)
    pixels = case.batch * case.size**2
    return [pixels * 0.01] * 3, pixels * 100

  monkeypatch.setattr(processes, 'measure_alone', measure_alone)
  settings = dataclasses.replace(settings, batches=(1, 8, 16))
  kept = report.Report(None)
  sections.scaling(settings, kept)
  assert [(row['kind'], row['batch']) for row in kept.sections['scaling']] == [
    (kind, batch) for kind in cases.CREATE for batch in (1, 8)
  ]
  assert kept.sections['scaling'][1]['peak_bytes'] == 8 * 32**2 * 100
  out = capsys.readouterr().out
  assert '16 images of 32x32: about 164 s a call and 0 GB\n' in out


def test_the_second_start_is_held_against_the_first(settings, monkeypatch):
  starts = []

  def run_program(entry, flags, env, until):
    assert (entry, until) == (
      'inpaint_jax.commands.start:train',
      ' train/loss ',
    )
    count = len(settings.config_flags)
    assert tuple(flags[:count]) == settings.config_flags
    assert '--config.data.source=' in flags
    cache = env['JAX_COMPILATION_CACHE_DIR']
    assert env['XDG_CACHE_HOME'] == cache
    starts.append((cache, flags[-1]))
    seconds = 8.0 if [x for x, _ in starts].count(cache) == 1 else 2.0
    lines = [(0.5, 'unet'), (seconds, 'step 1/4  train/loss 0.3')]
    return processes.Program(lines, 9.0, 1.0, None)

  monkeypatch.setattr(processes, 'run_program', run_program)
  kept = report.Report(None)
  sections.startup(settings, kept)
  # Each start has its own workdir, each pair its own cache of programs.
  count = 1 + sections.STARTS
  assert len(starts) == len(set(starts)) == 2 * count
  assert len({cache for cache, _ in starts}) == count
  first, second = kept.sections['startup']
  assert (first['mode'], second['mode']) == ('nothing compiled', 'second start')
  assert (first['seconds'], second['seconds']) == (8, 2)
  assert first['runs'] == second['runs'] == sections.STARTS
  assert second['ratio'] == 0.25


def test_one_epoch_is_too_few_to_time(settings):
  settings.config.num_epochs = 1
  with pytest.raises(errors.UserError, match='num_epochs=1 leaves no epoch'):
    sections.epoch(settings, report.Report(None))


@pytest.mark.slow
@pytest.mark.usefixtures('no_lpips')
def test_programs_are_started(settings):
  photos = settings.folder / 'photos'
  photos.mkdir()
  random = np.random.default_rng(0)
  for number in range(30):  # Enough for photos in all three splits.
    pixels = random.integers(0, 256, (48, 48, 3), np.uint8)
    Image.fromarray(pixels).save(photos / f'{number}.png')
  kept = report.Report(None)
  sections.epoch(settings, kept)
  settings.config.data.source = str(photos)
  sections.datasets(settings, kept)
  (row,) = kept.sections['epoch']
  assert row['what'] == 'main.py, an epoch of 8 images'
  assert row['runs'] == 1
  (row,) = kept.sections['datasets']
  assert row['what'] == 'dataset of 30 photos'
  assert row['cores'] > 0
