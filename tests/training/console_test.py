"""What a run shows on the terminal."""

import pathlib
import re

import pytest

from inpaint_jax.training import console


def test_lines_stand_above_a_bar_with_step_loss_speed_and_time(capsys):
  with console.Console(step=4, num_steps=10, batch_size=8) as shown:
    shown.advance()
    timed = shown.log_train(5, {'train/loss': 0.12341}, waited=2.0)
    shown.log_epoch(1, 2, {'val/loss': 0.5}, is_best=True)
    shown.log_epoch(2, 2, {'val/loss': 0.6}, is_best=False)
  out, bar = capsys.readouterr()
  assert out.splitlines() == [
    'step 5/10  train/loss 0.1234',
    'epoch 1/2  val/loss 0.5  (best so far)',
    'epoch 2/2  val/loss 0.6',
  ]
  rate, share = timed['train/pictures_per_second'], timed['train/input_wait']
  # One step of 8 pictures in 8 / rate seconds, 2 of which it waited.
  assert rate > 0
  assert share == pytest.approx(2 * rate / 8)
  last = bar.split('\r')[-1]
  assert re.search(
    r'50%.*step 5/10, loss 0\.1234, [\d.]+ pictures/s \[.* gone, .* left\]',
    last,
  )


def test_laps_add_up():
  with console.Console(step=0, num_steps=1, batch_size=1) as shown:
    first, second = shown.lap(), shown.lap()
  assert first >= 0
  assert second >= 0


def test_the_command_at_the_end_can_be_pasted(capsys):
  workdir = pathlib.Path('my runs/unet')
  console.show_end(workdir, {'step': 30, 'epoch': 3}, seconds=61.4)
  out = capsys.readouterr().out
  assert 'trained for 61 s; the best epoch is number 3' in out
  assert 'my runs/unet/checkpoints/best/30' in out
  assert (
    out.splitlines()[-1]
    == "  python scripts/inpaint.py '--workdir=my runs/unet' photo.jpg "
    'mask.png out.png'
  )
