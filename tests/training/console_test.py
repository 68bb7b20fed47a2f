"""What a run shows on the terminal."""

import contextlib
import pathlib
import re
import types

import pytest

from inpaint_jax.training import console


@pytest.fixture
def clock(monkeypatch):
  """The clock of the console; `clock.now` sets it."""
  clock = types.SimpleNamespace(now=100.0)
  clock.monotonic = lambda: clock.now
  monkeypatch.setattr(console, 'time', clock)
  return clock


def _console(**kwargs):
  return contextlib.closing(console.Console(**kwargs))


def test_lines_stand_above_a_bar_with_step_loss_speed_and_time(capsys, clock):
  with _console(step=4, num_steps=10, batch_size=8) as shown:
    shown.advance()
    clock.now += 4
    timed = shown.log_train(5, {'train/loss': 0.12341}, waited=3.0)
    shown.log_epoch(1, 2, {'val/loss': 0.5}, is_best=True)
    shown.log_epoch(2, 2, {'val/loss': 0.6}, is_best=False)
  assert timed == {'train/images_per_second': 2, 'train/input_wait': 0.75}
  out, bar = capsys.readouterr()
  assert out.splitlines() == [
    'step 5/10  train/loss 0.1234',
    'epoch 1/2  val/loss 0.5  (best so far)',
    'epoch 2/2  val/loss 0.6',
  ]
  last = bar.split('\r')[-1]
  assert re.search(
    r'50%.*step 5/10, loss 0\.1234, 2\.0 images/s \[.* gone, .* left\]', last
  )


def test_validation_is_no_part_of_the_speed(clock):
  with _console(step=0, num_steps=10, batch_size=8) as shown:
    clock.now += 9
    shown.log_epoch(1, 2, {'val/loss': 0.5}, is_best=True)
    shown.advance()
    clock.now += 2
    timed = shown.log_train(5, {'train/loss': 1.0}, waited=0.0)
  assert timed['train/images_per_second'] == 4


def test_laps_add_up(clock):
  with _console(step=0, num_steps=1, batch_size=1) as shown:
    clock.now += 2
    assert shown.lap() == 2
    clock.now += 5
    assert shown.lap() == 5


def test_the_command_at_the_end_can_be_pasted(capsys):
  workdir = pathlib.Path('my runs/unet')
  console.show_end(workdir, {'step': 30, 'epoch': 3}, seconds=61.4)
  out = capsys.readouterr().out
  assert 'trained for 61 s; the best epoch is number 3' in out
  assert 'my runs/unet/checkpoints/best/30' in out
  assert "tensorboard '--logdir=my runs/unet'\n" in out
  assert (
    out.splitlines()[-1] == "  inpaint-jax '--workdir=my runs/unet' photo.jpg "
    'mask.png out.png'
  )


@pytest.mark.parametrize('drawn', [False, True])
def test_samples_are_named_only_if_there_are_some(tmp_path, capsys, drawn):
  if drawn:
    (tmp_path / 'samples').mkdir()
  console.show_end(tmp_path, {'step': 30, 'epoch': 3}, seconds=1)
  assert (f'  samples     {tmp_path}' in capsys.readouterr().out) == drawn
