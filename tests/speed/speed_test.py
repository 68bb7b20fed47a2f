"""scripts/speed.py and what is below it. Nothing here is judged by a clock."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import unet
from inpaint_jax.speed import (
  cases,
  jax_cases,
  memory,
  processes,
  report,
  sections,
  timing,
)
from inpaint_jax.system import errors

ROOT = pathlib.Path(__file__).parents[2]
TINY = ('--features=4,8,16', '--image_sizes=32', '--matrix_sizes=32')


def _speed(*flags):
  """Runs the script as where PyTorch is not installed."""
  code = (
    'import runpy, sys; sys.modules["torch"] = None\n'
    'sys.argv[0] = "scripts/speed.py"\n'
    'runpy.run_path(sys.argv[0], run_name="__main__")'
  )
  return subprocess.run(
    [sys.executable, '-c', code, *map(str, flags)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )


def _case(kind, model='unet', batch=2):
  config = unet.get_config()
  config.model.name = model
  config.model.features = (4, 8, 16)
  return cases.Case(kind, config, size=32, batch=batch)


class _Clock:
  def __init__(self):
    self.now = 0.0

  def __call__(self):
    return self.now


@pytest.mark.parametrize(
  ('budget', 'made'),
  [
    ({'seconds': 0.5}, 3),  # Quartiles want three.
    ({'seconds': 10}, 5),
    ({'seconds': 10, 'rounds': 2}, 2),
  ],
)
def test_functions_are_called_in_turns(budget, made):
  clock, called = _Clock(), []

  def create(name, seconds):
    def call():
      called.append(name)
      clock.now += seconds

    return call

  calls = {'quick': create('quick', 1.0), 'slow': create('slow', 3.0)}
  times = timing.interleave(calls, pause=0, clock=clock, **budget)
  assert times['quick'].seconds == (1.0,) * made
  assert times['slow'].seconds == (3.0,) * made
  assert called[::2] == called[1::2]
  rounds = [sorted(called[i : i + 4 : 2]) for i in range(0, len(called), 4)]
  assert rounds == [['quick', 'slow']] * made


@pytest.mark.parametrize(
  ('seconds', 'calls'), [(0.25, 2), (0.125, 2), (1 / 32, 5)]
)
def test_what_is_timed_comes_after_a_tenth_of_a_second_of_calls(seconds, calls):
  clock, made = _Clock(), []

  def call():
    made.append(clock.now)
    clock.now += seconds

  timing.interleave({'x': call}, seconds=0, rounds=3, pause=0, clock=clock)
  assert len(made) == 3 * calls


def test_the_last_of_them_is_timed():
  clock, called = _Clock(), []

  def call():
    called.append(clock.now)
    clock.now += 1.0 * len(called)

  times = timing.interleave({'x': call}, seconds=0, pause=0, clock=clock)
  assert times['x'].seconds == (2.0, 4.0, 6.0)


def test_median_and_quartiles():
  times = timing.Times((5.0, 1.0, 3.0, 2.0, 40.0))
  assert (times.median, times.quartiles) == (3.0, (2.0, 5.0))


def test_flops_of_a_product_and_of_a_convolution():
  a, b = jnp.ones((32, 64)), jnp.ones((64, 16))
  compiled = jax.jit(jnp.dot).lower(a, b).compile()
  assert jax_cases.count_flops(compiled) == 2 * 32 * 64 * 16

  def conv(x, kernel):
    return jax.lax.conv_general_dilated(
      x, kernel, (1, 1), 'VALID', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )

  x, kernel = jnp.ones((2, 18, 18, 8)), jnp.ones((3, 3, 8, 4))
  compiled = jax.jit(conv).lower(x, kernel).compile()
  assert jax_cases.count_flops(compiled) == 2 * 2 * 16 * 16 * 9 * 8 * 4


def test_a_step_is_that_of_main_py():
  work = jax_cases.create_training(_case('training'), 'float32')
  losses = [work.call() for _ in range(8)]
  assert losses[-1] < losses[0]


def test_flops_of_a_net_are_those_of_its_convolutions():
  case = dataclasses.replace(_case('inference', 'encoder_decoder'), size=64)
  case.config.model.features = (32, 64, 128)
  layers = [(64, 6, 32), (32, 32, 64), (16, 64, 128)]
  layers += [(16, 128, 64), (32, 64, 32), (64, 32, 3)]
  flops = sum(2 * 9 * 2 * size**2 * i * o for size, i, o in layers)
  work = jax_cases.create_inference(case, 'float32')
  assert 0.95 < work.count_flops() / flops < 1.15
  training = dataclasses.replace(case, kind='training')
  step = jax_cases.create_training(training, 'float32')
  assert step.count_flops() == 3 * work.count_flops()


@pytest.mark.parametrize('model', ['unet', 'encoder_decoder'])
@pytest.mark.parametrize('kind', cases.KINDS)
def test_pytorch_does_the_same(model, kind):
  pytest.importorskip('torch')
  case = _case(kind, model)
  start = {'variables': jax_cases.create_net(case).variables}
  if kind == 'training':
    start['masks'] = jax_cases.first_masks(case)
  ours = cases.create(case, 'JAX float32').call()
  for name in ('float32, eager', 'float32, channels last'):
    theirs = cases.create(case, f'PyTorch {name}', **start).call()
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_a_table_has_the_columns_that_rows_have():
  times = timing.Times((0.001, 0.002, 0.003))
  rows = [
    report.create_row('step', 'JAX', times, ratio=1.25, share=None),
    report.create_row('step', 'PyTorch', timing.Times((1.5,)), ratio=None),
  ]
  assert report.table(rows) == (
    '| what | mode    | median ms | quartiles    | runs | ratio |\n'
    '| ---- | ------- | --------- | ------------ | ---- | ----- |\n'
    '| step | JAX     | 2         | 1.5 to 2.5   | 3    | 1.250 |\n'
    '| step | PyTorch | 1500      | 1500 to 1500 | 1    |       |'
  )


def test_a_report_is_kept_as_it_grows(tmp_path, capsys):
  path = tmp_path / 'speed.json'
  kept = report.Report({'cores': 2}, path)
  kept.leave_out('PyTorch')
  kept.leave_out('PyTorch')
  assert json.loads(path.read_text())['left_out'] == ['PyTorch']
  for mode in ('a', 'b'):
    row = report.create_row('step', mode, timing.Times((1.0,)))
    kept.add('training', 'Steps', [row])
  found = json.loads(path.read_text())
  assert [row['mode'] for row in found['training']] == ['a', 'b']
  assert found['training'][0]['quartiles'] == [1.0, 1.0]
  assert capsys.readouterr().out.count('left out') == 1


def test_a_mode_that_fails_or_differs_is_left_out(monkeypatch, capsys):
  def create(case, mode, path, **start):
    if mode == 'PyTorch no compiler':
      raise RuntimeError('no\ng++')
    wrong = 0.1 if mode == 'PyTorch float32 wrong' else 0.0
    return cases.Work(lambda: np.full(3, wrong), lambda: 1e6)

  monkeypatch.setattr(cases, 'create', create)
  monkeypatch.setattr(
    sections,
    '_modes',
    lambda *_: [
      'JAX float32',
      'PyTorch no compiler',
      'PyTorch float32 wrong',
      'PyTorch float32 good',
    ],
  )
  settings = _settings()
  kept = report.Report({}, None)
  kept.rates['float32'] = 1e12
  sections.inference(settings, kept)
  out = capsys.readouterr().out
  assert 'left out: inference, 1 picture of 32x32: PyTorch no' in out
  assert 'compiler: no g++\n' in out
  assert 'wrong: differs from ours by 0.1, more than 0.0001\n' in out
  rows = [line for line in out.splitlines() if line.startswith('| inf')]
  assert [row.split(' | ')[1].strip() for row in rows] == [
    'JAX float32',
    'PyTorch float32 good',
  ]
  assert rows[1].split(' | ')[-2].strip() == '1.000'


def _settings():
  return sections.Settings(
    config=_case('inference').config,
    root=ROOT,
    num_threads=1,
    torch=(),
    onnx=False,
    image_sizes=(32,),
    batches=(1,),
    seconds=0,
    repeats=1,
    matrix_sizes=(32,),
    scaling_sizes=(32,),
    scaling_batches=(1,),
    longest=60,
    photos=(1,),
    source='',
  )


def test_scaling_leaves_out_what_would_take_too_long(monkeypatch, capsys):
  def measure(case, mode, root, **how):
    pixels = case.batch * case.size**2
    return {
      'seconds': [pixels * 1e-3] * 3,
      'before_bytes': 5e6,
      'peak_bytes': 5e6 + pixels * 100,
      'flops': None,
    }

  monkeypatch.setattr(processes, 'measure', measure)
  settings = dataclasses.replace(
    _settings(), scaling_batches=(1, 8, 64), longest=10
  )
  sections.scaling(settings, report.Report({}, None))
  out = capsys.readouterr().out
  assert '64 pictures of 32x32: about 66 s a call; raise --longest' in out
  rows = [line for line in out.splitlines() if line.startswith('| inf')]
  assert len(rows) == 2
  assert [row.split(' | ')[-1] for row in rows] == ['0.1        |'] * 2


def _program(tmp_path, code):
  path = tmp_path / 'program.py'
  path.write_text(code)
  return [str(path)]


def test_lines_are_noted_until_one_is_found(tmp_path):
  command = _program(
    tmp_path,
    'import time\nprint("a")\nprint("b c", flush=True)\ntime.sleep(600)',
  )
  found = processes.lines_of(command, tmp_path, {}, until=' c')
  assert [line for _, line in found.lines] == ['a', 'b c']


@pytest.mark.parametrize(
  ('code', 'until', 'message'),
  [
    ('raise SystemExit("error: mend this")', '', 'with code 1: mend this'),
    ('print("a")', 'b', 'with code 0: it said nothing'),
    ('import os; os.kill(os.getpid(), 9)', '', 'killed by signal 9'),
  ],
)
def test_a_program_that_fails_is_one_line(tmp_path, code, until, message):
  command = _program(tmp_path, code)
  with pytest.raises(errors.UserError, match=message):
    processes.lines_of(command, tmp_path, {}, until)
  if not until:
    with pytest.raises(errors.UserError, match=message):
      processes.usage_of(command, tmp_path)


@pytest.mark.skipif(memory.peak() is None, reason='only Linux tells')
def test_peak_memory_is_that_of_the_program_alone(tmp_path):
  ours = np.ones(2**26, np.uint8)  # Which it does not inherit.
  command = _program(
    tmp_path, 'x = b"1" * 2**25\ndel x\nimport time; time.sleep(1)'
  )
  peak = processes.usage_of(command, tmp_path).peak_bytes
  assert 2**25 < peak < ours.nbytes


def test_a_case_is_measured_in_a_process_of_its_own():
  answer = processes.measure(
    _case('inference'),
    'JAX float32',
    ROOT,
    num_threads=1,
    rounds=2,
    count_flops=True,
  )
  assert len(answer['seconds']) == 2
  assert answer['flops'] > 1e6
  if memory.peak():
    assert answer['peak_bytes'] > answer['before_bytes'] > 0


def test_the_script_without_pytorch(tmp_path):
  path = tmp_path / 'speed.json'
  result = _speed(
    *TINY,
    '--what=products,inference,training',
    '--batches=1,2',
    '--train_batch=2',
    '--repeats=2',
    f'--json={path}',
  )
  assert result.returncode == 0, result.stderr
  (line,) = [x for x in result.stdout.splitlines() if x.startswith('left out')]
  assert line.startswith('left out: PyTorch is not installed')
  found = json.loads(path.read_text())
  assert found['about']['features'] == '4,8,16'
  assert [row['mode'] for row in found['inference']] == [
    'JAX float32',
    'JAX float32, quick to compile',
    'JAX bfloat16',
    'ONNX Runtime',
  ] * 2
  assert [row['mode'] for row in found['training']] == [
    'JAX float32',
    'JAX bfloat16',
  ]
  for row in found['inference'] + found['training']:
    low, high = row['quartiles']
    assert 0 < low <= row['seconds'] <= high
    assert row['runs'] == 2
    assert row['pictures_per_second'] == row['batch'] / row['seconds']
    rate = row['flops_per_second']
    assert rate == pytest.approx(row['flops'] / row['seconds'])
    dtype = 'bfloat16' if 'bfloat16' in row['mode'] else 'float32'
    most = found['product_flops_per_second'][dtype]
    assert row['share'] == pytest.approx(rate / most)
    assert row['ratio'] is None
  assert 'Inference, 2 pictures of 32x32; ratio' in result.stdout


def test_the_script_starts_the_programs(tmp_path):
  path = tmp_path / 'speed.json'
  result = _speed(
    *TINY,
    '--what=startup,epoch,scaling,datasets',
    '--batches=1',
    '--train_batch=2',
    '--repeats=1',
    '--num_train=8',
    '--epochs=2',
    '--scaling_sizes=32',
    '--scaling_batches=1',
    '--photos=6',
    f'--json={path}',
  )
  assert result.returncode == 0, result.stderr
  found = json.loads(path.read_text())
  assert [row['mode'] for row in found['startup']] == [
    'nothing compiled yet',
    'second start',
  ]
  assert found['epoch'][0]['runs'] == 1
  assert found['epoch'][0]['pictures_per_second'] > 0
  assert [row['kind'] for row in found['scaling']] == list(cases.KINDS)
  assert found['datasets'][0]['what'] == 'dataset of 6 photos'
  assert found['datasets'][0]['cores'] > 0


@pytest.mark.parametrize(
  ('flags', 'code', 'message'),
  [
    (['stray'], 1, "'stray' is no flag"),
    (['--what=inferense'], 1, 'choose one of: datasets, epoch'),
    (['--features=4,8'], 1, 'wanted three numbers'),
    (['--image_sizes=60'], 1, 'wanted positive multiples of 8'),
    (['--batches=0'], 1, 'as --batches=1,8'),
    (['--photos='], 1, '--photos= is empty'),
    (['--json=nowhere/x.json'], 1, '--json=nowhere/x.json cannot be written'),
    (['--source=nowhere'], 1, 'is no folder'),
    (['--model=vgg'], 2, '<unet|encoder_decoder>'),
    (['--repeats=-1'], 2, 'repeats'),
  ],
)
def test_a_wrong_flag_is_one_line(flags, code, message):
  result = _speed(*flags)
  assert result.returncode == code
  assert 'Traceback' not in result.stderr
  assert result.stderr.count('\n') == 1
  assert message in result.stderr
