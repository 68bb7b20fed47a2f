r"""Trains or evaluates a model.

  python main.py --config=configs/unet.py --workdir=runs/unet
  python main.py --mode=evaluate --workdir=runs/unet
  python main.py --mode=evaluate --model=unet-landscapes --workdir=runs/tests \
    --config.data.source=DIR

This file has only the flags: training is in training/train.py, evaluation is in
training/evaluate.py, and the fields of --config are in configs/default.py.

Outside a checkout the command is inpaint-jax-train.
"""

from collections.abc import Sequence
import contextlib

from absl import flags
from ml_collections import config_flags

from inpaint_jax.system import command_line, errors

_CONFIG = config_flags.DEFINE_config_file(
  'config',
  None,
  'The run to train, configs/unet.py unless named; --config.FIELD=VALUE '
  "overrides a field. In evaluation the run's own config takes its place.",
  sys_argv=command_line.arguments,
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of checkpoints, metrics and samples.'
)
_MODE = flags.DEFINE_enum('mode', 'train', ['train', 'evaluate'], 'What to do.')
_MODEL = flags.DEFINE_string(
  'model',
  '',
  'What to evaluate in place of the run in --workdir, where the table goes: a '
  'name of the zoo, a .safetensors file or its address.',
)

_DISTRIBUTED = flags.DEFINE_bool(
  'distributed',
  False,
  'Train with the other processes that Slurm, Open MPI, GKE or Cloud TPU '
  'started; elsewhere, give the three flags below instead.',
)
_COORDINATOR_ADDRESS = flags.DEFINE_string(
  'coordinator_address', None, 'HOST:PORT of process 0.'
)
_NUM_PROCESSES = flags.DEFINE_integer(
  'num_processes', None, 'Number of processes that train together.'
)
_PROCESS_ID = flags.DEFINE_integer(
  'process_id', None, 'Number of this process, counted from 0.'
)


def main(argv: Sequence[str]) -> None:
  """Trains or evaluates the run that the flags describe."""
  command_line.check_flags(argv, workdir='runs/unet')
  if _MODEL.value and _MODE.value != 'evaluate':
    raise errors.UserError(
      f'--model={_MODEL.value} is what --mode=evaluate tests; to train on from '
      f'it, give --config.init_from={_MODEL.value}'
    )
  named = _COORDINATOR_ADDRESS.value, _NUM_PROCESSES.value, _PROCESS_ID.value
  with contextlib.ExitStack() as stack:
    if _DISTRIBUTED.value or named != (None, None, None):
      from inpaint_jax.system import distributed

      stack.enter_context(distributed.joined(*named))
    if _MODE.value == 'train':
      from inpaint_jax.training import train

      train.train_and_evaluate(_CONFIG.value, _WORKDIR.value or '')
    else:
      from inpaint_jax.training import evaluate

      overrides = config_flags.get_override_values(flags.FLAGS['config'])
      evaluate.evaluate(_WORKDIR.value or '', overrides, _MODEL.value)
