r"""Runs the study from its first training to its report.

  inpaint-jax-study --config=configs/study.py:small \
    --config.data.source=DIR --workdir=runs/study

trains every cell of configs/study.py with every seed, one run after the other,
and writes report.md, its plots and results.csv into the workdir. After an
interruption the same command resumes. --only=optimizer/sgd trains a part,
--list shows all runs and their state, --report_only writes tables and report
from what is there.

Several processes, or machines that share the workdir, can train a shard each:
--shard=1/8 to --shard=8/8 (--shard=$SLURM_ARRAY_TASK_ID/8 in a Slurm array,
sbatch --array=1-8). After all have ended, --report_only writes the report.
"""

from collections.abc import Sequence
import os
import pathlib
import shlex
import sys

from absl import flags
from ml_collections import config_flags

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import folder, plan
from inpaint_jax.system import command_line, config_files, errors, user_paths

_CONFIG = config_flags.DEFINE_config_file(
  'config',
  None,
  'The study, configs/study.py:small unless named; --config.FIELD=VALUE '
  'overrides a field.',
  sys_argv=command_line.arguments,
)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of runs and report.')
_ONLY = flags.DEFINE_string(
  'only',
  '',
  'Some runs: a factor, a cell, as optimizer/sgd, or one seed of it.',
)
_SHARD = flags.DEFINE_string(
  'shard',
  '',
  'i/n, i from 1 to n: train the i-th of n parts of the runs, no report.',
)
_LIST = flags.DEFINE_bool('list', False, 'Show the runs and their state.')
_REPORT_ONLY = flags.DEFINE_bool(
  'report_only', False, 'Write tables and report of what is there.'
)
flags.DEFINE_alias('report-only', 'report_only')


def main(argv: Sequence[str]) -> None:
  """Runs the study that the flags describe."""
  command_line.check_flags(argv, workdir='runs/study')
  workdir = user_paths.local(_WORKDIR.value or '', 'workdir')
  if _REPORT_ONLY.value:
    from inpaint_jax.study import report

    print(report.write(workdir), flush=True)
    return
  study = plan.create_plan(_CONFIG.value)
  runs = study.select(_ONLY.value, _SHARD.value)
  folder.check(workdir, study)
  if _LIST.value:
    _list(workdir, runs)
    return
  try:
    _train(workdir, study, runs)
  except SystemExit as ended:
    # A compilation that is still running would crash when Python exits.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(ended.code or 0))


def _train(
  workdir: pathlib.Path, study: plan.Plan, runs: Sequence[plan.Run]
) -> None:
  from inpaint_jax.study import report, runner

  errors.check_installed('matplotlib', 'the report', 'study')
  with workdirs.disk_full_as_user_error(workdir):
    data_hash = runner.prepare(workdir, study, _command())
    write_tables = not _SHARD.value
    runner.train_runs(
      runs, study, workdir, data_hash=data_hash, write_tables=write_tables
    )
  if _SHARD.value:
    print('when all shards have ended, --report_only writes the report')
  else:
    print(report.write(workdir), flush=True)


def _list(workdir: pathlib.Path, runs: Sequence[plan.Run]) -> None:
  rows = folder.read_rows(workdir, [run.name for run in runs])
  width = max((len(run.name) for run in runs), default=0)
  for run in runs:
    is_begun = folder.run_folder(workdir, run.name).exists()
    state = 'begun' if is_begun else 'to do'
    state = rows.get(run.name, {}).get('status', state)
    names = ', '.join(run.cell.names)
    also = f'  ({names})' if names != run.cell.name else ''
    print(f'{run.name:{width}}  {state:8}{also}'.rstrip())


def _command() -> str:
  """Returns the command as typed, but without the paths of this machine."""
  flag = flags.FLAGS['config']
  path, *preset = config_flags.get_config_filename(flag).split(':')
  path = os.path.relpath(path, config_files.folder().parent)
  overrides = dict(config_flags.get_override_values(flag))
  overrides.pop('data.data_dir', None)
  for name, shown in {'data.source': 'DIR', 'masks.source': 'MASKS'}.items():
    if name in overrides:
      overrides[name] = shown
  fields = (f'--config.{name}={value}' for name, value in overrides.items())
  words = [f'--config={":".join([path, *preset])}', *fields]
  return f'inpaint-jax-study {shlex.join(words)} --workdir=runs/study'
