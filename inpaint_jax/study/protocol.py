"""study.json: what a study's folder holds, so that no other is mixed in.

It has no path of this machine in it and lies beside the report.
"""

import pathlib
from typing import Any

from inpaint_jax.runs import workdir as workdirs
from inpaint_jax.study import plan, results
from inpaint_jax.system import errors, json_files

_NAME = 'study.json'


def open_folder(workdir: pathlib.Path, study: plan.Plan, command: str) -> None:
  """Makes a study's folder, or takes that of an earlier start of the same.

  Cells and seeds may come and go; what all of them share may not.

  Args:
    workdir: the folder.
    study: what is to be run there.
    command: that starts it, for the report.

  Raises:
    errors.UserError: it cannot be written to, or holds something else.
  """
  check(workdir, study)
  workdirs.check_writable(workdir)
  content = {
    'schema': results.SCHEMA,
    'command': command,
    'base': plan.fields(study.base),
    'cells': {cell.name: list(cell.names) for cell in study.cells},
    'seeds': list(study.seeds),
  }
  json_files.write(workdir / _NAME, content)


def check(workdir: pathlib.Path, study: plan.Plan) -> None:
  """Raises a UserError if a folder holds something else; writes nothing."""
  if (workdir / 'config.json').exists():
    raise errors.UserError(
      f'workdir={workdir} holds a single run; name another for the study'
    )
  there = read(workdir)
  if not there:
    return
  old, new = dict(there['base']), plan.fields(study.base)
  differences = [
    f'{name} ({old.get(name, "absent")} there, {new.get(name, "absent")} here)'
    for name in sorted(old.keys() | new.keys())
    if name != 'seed' and old.get(name) != new.get(name)
  ]
  if differences:
    raise errors.UserError(
      f'workdir={workdir} holds a study of another protocol: '
      f'{", ".join(differences)}; name another workdir, or give the same '
      'fields to go on with that study'
    )


def read(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns what study.json says, {} if there is none.

  Raises:
    errors.UserError: it is damaged, or another version wrote it.
  """
  path = workdir / _NAME
  if not path.exists():
    return {}
  content = json_files.read(path)
  schema = content.get('schema') if isinstance(content, dict) else None
  if schema != results.SCHEMA:
    raise errors.UserError(
      f'{path} was written by another version (schema {schema!r}, wanted '
      f'{results.SCHEMA}); name another workdir'
    )
  return content
