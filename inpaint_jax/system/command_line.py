"""From the command line to a main function, with errors of one line."""

from collections.abc import Callable, Sequence
import os
import pathlib
import re
import sys
import types
from typing import Any

# Silence, before their first import, the greetings of libraries.
os.environ.setdefault('GRPC_VERBOSITY', 'ERROR')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app, flags, logging
from ml_collections import config_flags

from inpaint_jax.system import cache, errors


def run(
  main: Callable[[Sequence[str]], Any], default_config: str | None = None
) -> None:
  """Parses the flags and calls `main` with what is left of the arguments.

  A wrong flag ends the process with one line and exit code 2, a UserError with
  one line and exit code 1.

  Args:
    main: what to run.
    default_config: the file that --config names if the user names none. Given
      here, not to DEFINE_config_file, which would apply the overrides to it
      while flags are still being defined, and let their errors through.
  """
  _show_as_main(main.__module__)
  import_configs()
  # Before JAX is imported, which reads these then.
  for variable, value in cache.compilation().items():
    os.environ.setdefault(variable, value)
  # Orbax and tensorflow-datasets narrate each step they take, and log errors
  # that they raise as well.
  logging.set_verbosity(logging.FATAL)

  def parse(argv: Sequence[str]) -> list[str]:
    named = any(re.match(r'--?config(=|$)', arg) for arg in argv)
    if default_config and not named:
      argv = [argv[0], f'--config={default_config}', *argv[1:]]
    return parse_flags([_find_config(arg) for arg in argv])

  app.run(lambda argv: exit_with_line(main, argv), flags_parser=parse)


def exit_with_line(main: Callable[..., Any], *args: Any) -> Any:
  """Calls `main(*args)`; a UserError becomes one line and exit code 1.

  So does an end of memory. Ctrl-C becomes one line and exit code 130.
  """
  try:
    return main(*args)
  except errors.UserError as error:
    print(f'error: {add_flags(str(error))}', file=sys.stderr)
    sys.exit(1)
  except (MemoryError, RuntimeError) as error:
    # XLA's errors are RuntimeErrors that begin with a code.
    reason = errors.one_line(error)
    if not (
      isinstance(error, MemoryError) or reason.startswith('RESOURCE_EXHAUSTED')
    ):
      raise
    print(
      f'error: memory ran out ({reason}); close other '
      ' programs, or ask for less, see "When memory or patience runs out" '
      'in README.md',
      file=sys.stderr,
    )
    sys.exit(1)
  except KeyboardInterrupt:
    print('interrupted', file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: a compilation that is under way crashes as Python winds up.
    os._exit(130)


def add_flags(message: str) -> str:
  """Returns a library's message with this program's flags for its fields.

  The library says `loss=x` and `data.source`; a program with --config says
  --config.loss=x, one with a flag --source says --source. Names that are
  neither stay as they are.
  """

  def to_flag(match: re.Match[str]) -> str:
    name = match[0]
    if 'config' in flags.FLAGS and _is_field(name):
      return f'--config.{name}'
    last = name.rpartition('.')[2]
    return f'--{last}' if last in flags.FLAGS else name

  # A name before an equals sign, or one with dots that is no part of a path.
  path = r'[a-z]\w*(?:\.[a-z]\w*)'
  pattern = rf'(?<![\w./-])(?:{path}*(?==)|{path}+(?!\w|\.\w|/))'
  return re.sub(pattern, to_flag, message)


def _is_field(path: str) -> bool:
  """Returns whether the config has the field `path`, as `data.source`."""
  node = flags.FLAGS.config
  for part in path.split('.'):
    if not hasattr(node, 'keys') or part not in node:
      return False
    node = node[part]
  return True


def configs_folder() -> pathlib.Path:
  """Returns the folder of configs, beside the package or installed in it."""
  package = pathlib.Path(__file__).parents[1]
  installed = package / 'configs'
  return installed if installed.is_dir() else package.parent / 'configs'


def import_configs() -> None:
  """Makes `from configs import default` work from any folder."""
  if 'configs' not in sys.modules:
    # An entry of sys.path would show the package's own folders as well.
    module = types.ModuleType('configs')
    module.__path__ = [str(configs_folder())]
    sys.modules['configs'] = module


def _find_config(arg: str) -> str:
  """Returns --config=configs/X.py with its path, if it is not found here."""
  match = re.match(r'(--?config=)configs[/\\](\w+\.py)(.*)', arg)
  if not match or pathlib.Path('configs', match[2]).exists():
    return arg
  return f'{match[1]}{configs_folder() / match[2]}{match[3]}'


def _show_as_main(module: str) -> None:
  """Makes --help show the docstring and the flags of a module."""
  sys.modules['__main__'].__doc__ = sys.modules[module].__doc__
  for flag in flags.FLAGS.get_flags_for_module(module):
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def parse_flags(argv: Sequence[str]) -> list[str]:
  """Returns the arguments that are no flags; exits with 2 on a wrong flag."""
  try:
    rest = flags.FLAGS(argv)
    if 'config' in flags.FLAGS:
      # A config file that cannot be read raises only as its value is asked for.
      _ = flags.FLAGS.config.keys
    return rest
  # ml_collections lets whatever a config file raises through.
  except Exception as error:
    print(f'error: {describe(error, argv)}', file=sys.stderr)
    sys.exit(2)


def describe(error: Exception, argv: Sequence[str]) -> str:
  """Returns one line on a flag that could not be parsed.

  ml_collections names neither the choices of an unknown field nor the type that
  a field wants, so these are looked up in the config.
  """
  config = _load_config(argv)
  for arg in argv:
    if config is not None and re.match(r'--?config\.', arg):
      line = _describe_override(config, arg.lstrip('-'))
      if line:
        return line
  line = str(error)
  if 'Traceback' in line:
    # What the config file raised stands last, behind its type.
    line = line.strip().splitlines()[-1].partition(': ')[2]
  if isinstance(error, OSError):
    line = '--config: ' + line[max(line.find('[Errno'), 0) :]
  return ' '.join(line.split())


def _describe_override(node: Any, override: str) -> str:
  """Returns what is wrong with `config.a.b=value`, '' if nothing is."""
  path, _, value = override.removeprefix('config.').partition('=')
  *sections, name = path.split('.')
  for depth, part in enumerate([*sections, name]):
    if not hasattr(node, 'keys') or part not in node:
      place = '.'.join(['--config', *path.split('.')[:depth]])
      known = ', '.join(sorted(node.keys())) if hasattr(node, 'keys') else ''
      found = f'--config.{path} is no field of the config'
      if not known:
        return f'{found}: {place} is a value, without fields'
      return f'{found}; the fields of {place} are: {known}'
    node = node[part]
  if hasattr(node, 'keys'):
    fields = ', '.join(sorted(node.keys()))
    return f'--config.{path} is a section; set one of its fields: {fields}'
  wanted = type(node)
  parsers = {int: int, float: float}
  if wanted is bool and value.lower() not in ('true', 'false', '0', '1', ''):
    return f'--config.{path}={value}: wanted true or false'
  try:
    parsers.get(wanted, str)(value)
  except ValueError:
    return f'--config.{path}={value}: wanted {wanted.__name__}, as {node} is'
  return ''


def _load_config(argv: Sequence[str]) -> Any:
  """Returns the config without its overrides, None if it cannot be read."""
  values = flags.FlagValues()
  config_flags.DEFINE_config_file('config', flag_values=values)
  named = [argv[0]]
  for arg, following in zip(argv, [*argv[1:], ''], strict=True):
    if re.match(r'--?config=', arg):
      named.append(arg)
    elif re.fullmatch(r'--?config', arg):
      named += [arg, following]
  # The flag looks for overrides in sys.argv, whatever it is given to parse.
  given, sys.argv = sys.argv, named
  try:
    values(named)
    _ = values.config.keys
    return values.config
  except Exception:
    return None
  finally:
    sys.argv = given
