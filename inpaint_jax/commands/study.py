"""The study, from start to report.

  python scripts/benchmark.py --config=configs/study.py:small \
    --config.data.source=DIR --workdir=runs/study

trains every cell of configs/study.py with every seed, and writes report.md,
its plots and results.csv into the workdir. Started again it goes on where it
was. Started on several machines that share the workdir, each takes the next run
that is free; --only=optimizer/sgd gives it some runs, --list shows all and
their state, --report-only makes the report anew from results.csv.

Outside a checkout the command is inpaint-jax-study.
"""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

from absl import flags
from ml_collections import config_flags

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import claims, plan, protocol, results
from inpaint_jax.system import command_line, errors, machine

_CONFIG = config_flags.DEFINE_config_file(
  'config',
  None,
  'The study, configs/study.py:small unless named; --config.FIELD=VALUE '
  'overrides a field.',
)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of runs and report.')
_ONLY = flags.DEFINE_string(
  'only',
  '',
  'Some runs: a factor, a cell, as optimizer/sgd, or one seed of it.',
)
_LIST = flags.DEFINE_bool('list', False, 'Show the runs and their state.')
_REPORT_ONLY = flags.DEFINE_bool(
  'report-only', False, 'Make the report of what is there.'
)
# Given to the further processes of this machine, with the id of the first.
_PARENT = flags.DEFINE_integer('parent', 0, 'Used internally.')


def main(argv: list[str]) -> None:
  if argv[1:]:
    raise errors.UserError(f'{argv[1]!r} is no flag; flags begin with --')
  if not _WORKDIR.value:
    raise errors.UserError(
      'no --workdir; name a folder, as --workdir=runs/study'
    )
  workdir = pathlib.Path(_WORKDIR.value).expanduser()
  if _REPORT_ONLY.value:
    _write_report(workdir)
    return
  study = plan.create_plan(_CONFIG.value)
  runs = study.select(_ONLY.value)
  if _LIST.value:
    protocol.check(workdir, study)
    _list(workdir, runs)
    return
  try:
    _run(workdir, study, runs)
  except SystemExit as ended:
    # A compilation that is under way crashes as Python winds up.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended.code)


def _run(workdir: pathlib.Path, study: plan.Plan, runs: list[plan.Run]) -> None:
  # Mistakes are said before the work, and leave no folder behind.
  protocol.check(workdir, study)
  table = workdir / 'results.csv'
  results.check(table, results.read(table), study)
  # JAX takes seconds to import, which --list and wrong flags need not wait for.
  from inpaint_jax import datasets
  from inpaint_jax.study import report, runner
  from inpaint_jax.training import input_pipeline

  report.check_installed()
  # Otherwise it would end the process without a word to those it started.
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
  with workdirs.disk_full_as_user_error(workdir):
    if _PARENT.value:
      runner.end_with(_PARENT.value)
      runner.work(study, workdir, runs)
      return
    if not (workdir / 'dataset.json').exists():
      # Built before the others start, which would wait for it.
      datasets.load(study.base.data)
    protocol.open_folder(workdir, study, _command())
    input_pipeline.load(study.base.data, workdir / 'dataset.json')
    rows = results.gather(workdir, study)
    left = [run for run in runs if not runner.is_finished(workdir, run, rows)]
    count = min(_CONFIG.value.study.processes, max(len(left), 1))
    print(
      f'{len(runs)} runs of {len(study.cells)} cells, {len(left)} to do, '
      f'{count} at once; logs in {workdir / "runs"}/*/log.txt',
      flush=True,
    )
    start = time.monotonic()
    with _others(count) as others:
      runner.work(study, workdir, runs)
      codes = [other.wait() for other in others]
      if any(codes):
        # They have failed: what they left is taken over, or fails here, too.
        runner.work(study, workdir, runs)
    seconds = time.monotonic() - start
    print(f'{len(left)} runs in {runner.format_seconds(seconds)}', flush=True)
    runner.measure_baselines(workdir, study)
  _write_report(workdir)


@contextlib.contextmanager
def _others(count: int) -> Iterator[list[subprocess.Popen]]:
  """Starts count - 1 further processes that do the same as this one.

  Each has its share of the cores, and so has this one. If the block raises they
  are told to save and end.
  """
  if count < 2:
    yield []
    return
  # Two processes cannot both take most of a GPU's memory.
  os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
  command = [sys.executable, *sys.argv, f'--parent={os.getpid()}']
  others = []
  try:
    for number in reversed(range(count)):
      _pin(number, count)
      if number:
        # Not in this process group: Ctrl-C comes to them once, by way of us.
        others.append(subprocess.Popen(command, start_new_session=True))
    yield others
  except BaseException:
    for other in others:
      other.terminate()
    for other in others:
      other.wait()
    raise


def _pin(number: int, count: int) -> None:
  """Gives this process, and those it starts, its share of the cores."""
  if hasattr(os, 'sched_setaffinity'):
    global _cores
    _cores = _cores or sorted(os.sched_getaffinity(0))
    share = _cores[number::count] or _cores
    os.sched_setaffinity(0, share)


_cores: list[int] = []


def _list(workdir: pathlib.Path, runs: list[plan.Run]) -> None:
  rows = {
    results.row_name(row): row for row in results.read(workdir / 'results.csv')
  }
  lines = []
  for run in runs:
    holder = claims.holder(results.run_folder(workdir, run.name))
    if run.name in rows:
      state = rows[run.name]['status']
    elif results.result_path(workdir, run.name).exists():
      state = 'finished'
    elif holder is None:
      state = 'free'
    elif holder.is_stale:
      state = 'free, begun'
    else:
      state = f'in training by process {holder.pid} on {holder.host}'
    lines.append((run.name, state, ', '.join(run.cell.names)))
  widths = [max(len(line[i]) for line in lines) for i in range(2)]
  for name, state, names in lines:
    also = f'  ({names})' if [names] != [name.rpartition('/')[0]] else ''
    print(f'{name:{widths[0]}}  {state:{widths[1]}}{also}'.rstrip())


def _write_report(workdir: pathlib.Path) -> None:
  from inpaint_jax.study import report

  start = time.monotonic()
  path = report.write(workdir)
  print(f'{path}, in {time.monotonic() - start:.0f} s', flush=True)


def _command() -> str:
  """Returns what was typed, with the paths of this machine left out."""
  names = config_flags.get_override_values(flags.FLAGS['config'])
  file = config_flags.get_config_filename(flags.FLAGS['config'])
  file = os.path.relpath(
    file.split(':')[0], command_line.configs_folder().parent
  ) + ''.join(f':{x}' for x in file.split(':')[1:])
  overrides = {
    name: 'DIR' if name == 'data.source' else value
    for name, value in names.items()
    if name != 'data.data_dir'
  }
  words = [f'--config={file}']
  words += [f'--config.{name}={value}' for name, value in overrides.items()]
  return 'python scripts/benchmark.py ' + shlex.join(
    [*words, '--workdir=runs/study']
  )


def run() -> None:
  machine.use_huge_pages()
  command_line.run(main, 'configs/study.py:small')
