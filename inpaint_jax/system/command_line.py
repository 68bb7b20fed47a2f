"""Starts a command's main function: flags, configs, one-line errors."""

from collections.abc import Callable, Sequence
import contextlib
import os
import pathlib
import re
import sys
import traceback
from typing import Any

# Before the first import of these libraries, or they print greetings.
os.environ.setdefault('GRPC_VERBOSITY', 'ERROR')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app, flags, logging
from ml_collections import config_flags

from inpaint_jax import __version__
from inpaint_jax.system import cache, config_files, errors, interrupts, terminal

# The command's arguments while it parses them, flagfiles replaced by their
# content. DEFINE_config_file gets this list as `sys_argv`: it would otherwise
# read sys.argv, and flagfiles while flags are still being defined.
arguments: list[str] = []


class _HelpFlag(app.HelpFlag):
  """The flag -h, the same as --help."""

  NAME, SHORT_NAME = 'h', None


class _VersionFlag(flags.BooleanFlag):
  """Prints the version and ends the process."""

  def __init__(self) -> None:
    super().__init__('version', False, 'Print the version.')

  def parse(self, arg: Any) -> None:
    if self._parse(arg):
      print(f'inpaint-jax {__version__}')
      sys.exit()


# How messages of absl begin that are those of Python, and what was wanted.
_WANTED = {
  'invalid literal for int()': 'a whole number',
  'could not convert string to float': 'a number',
  "('Non-boolean argument": 'true or false',
}

flags.DEFINE_flag(_HelpFlag())
flags.DEFINE_flag(_VersionFlag())


def run(
  main: Callable[[list[str]], None], default_config: str | None = None
) -> None:
  """Parses the flags and calls `main` with the remaining arguments.

  A wrong flag ends the process with one line and exit code 2, a UserError with
  one line and exit code 1. SIGTERM and SIGHUP end it as Ctrl-C does, with exit
  code 143 or 129, unless `main` handles them.

  Args:
    default_config: the file for --config if the user names none.
  """
  terminal.prepare()
  interrupts.raise_at_end()
  _set_help(main.__module__)
  config_files.make_importable()
  # JAX reads these when it is imported, which a package of the user's own may
  # have done.
  for variable, value in cache.compilation().items():
    value = os.environ.setdefault(variable, value)
    if jax := sys.modules.get('jax'):
      is_number = variable.endswith('SECS')
      jax.config.update(variable.lower(), float(value) if is_number else value)
  # Orbax and tensorflow-datasets log every step, and errors that they raise.
  logging.set_verbosity(logging.FATAL)
  with terminal.quiet_end():
    exit_with_line(
      lambda: app.run(
        main, flags_parser=lambda argv: _parse_flags(argv, default_config)
      )
    )


def check_flags(argv: Sequence[str], **examples: str) -> None:
  """Raises a UserError for arguments that are no flags, or for missing flags.

  `examples` are the flags that the command needs, each with an example value.
  """
  if argv[1:]:
    raise errors.UserError(f'{argv[1]!r} is no flag; flags begin with --')
  for name, example in examples.items():
    if not flags.FLAGS[name].value:
      raise errors.UserError(f'no --{name}; name one, as --{name}={example}')


def exit_with_line(main: Callable[..., None], *args: Any) -> None:
  """Calls `main(*args)`; a UserError becomes one line and exit code 1.

  So do a lack of memory, and of the current folder. Ctrl-C becomes one line and
  exit code 130; other signals have their own, see interrupts.raise_at_end.
  """
  try:
    main(*args)
  except errors.UserError as error:
    print(f'error: {add_flags(str(error))}', file=sys.stderr)
    sys.exit(1)
  except FileNotFoundError as error:
    if not errors.is_folder_gone():
      raise
    print(f'error: {errors.of_system(error)}', file=sys.stderr)
    sys.exit(1)
  except (MemoryError, RuntimeError) as error:
    reason = errors.one_line(error)
    # XLA raises RuntimeErrors that begin with a code.
    out_of_memory = reason.startswith('RESOURCE_EXHAUSTED')
    if not isinstance(error, MemoryError) and not out_of_memory:
      raise
    print(
      f'error: memory ran out ({reason}); close other programs, or use a '
      'smaller batch, image or model',
      file=sys.stderr,
    )
    sys.exit(1)
  except KeyboardInterrupt as error:
    # Not sys.exit: a running compilation crashes while Python shuts down.
    interrupts.end_now(error)


def add_flags(message: str) -> str:
  """Returns a message of the library with its fields replaced by flags.

  The library writes `loss=x` and `data.source`. A program with --config shows
  --config.loss=x instead; a program with a flag --source shows --source. Other
  names stay as they are.
  """

  def to_flag(match: re.Match[str]) -> str:
    name = match[0]
    if 'config' in flags.FLAGS and _is_field(flags.FLAGS.config, name):
      return f'--config.{name}'
    last = name.rpartition('.')[2]
    return f'--{last}' if last in flags.FLAGS else name

  # A name before an equals sign, or a dotted name that is no part of a path.
  path = r'[a-z]\w*(?:\.[a-z]\w*)'
  pattern = rf'(?<![\w./-])(?:{path}*(?==)|{path}+(?!\w|\.\w|/))'
  return re.sub(pattern, to_flag, message)


def _is_field(config: Any, path: str) -> bool:
  """Returns whether a config has the field `path`, such as `data.source`."""
  for part in path.split('.'):
    if not _is_section(config) or part not in config:
      return False
    config = config[part]
  return True


def _is_section(node: Any) -> bool:
  return hasattr(node, 'keys')


def _set_help(module: str) -> None:
  """Makes --help show the docstring and the flags of a module."""
  sys.modules['__main__'].__doc__ = sys.modules[module].__doc__
  own = flags.FLAGS.get_flags_for_module(module)
  for flag in [*own, flags.FLAGS['version']]:
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def _parse_flags(argv: Sequence[str], default_config: str | None) -> list[str]:
  """Returns the arguments that are no flags; exits with 2 on a wrong flag."""
  file = None
  try:
    rest = flags.FLAGS.read_flags_from_files(argv[1:], force_gnu=False)
    argv = [argv[0], *rest]
    if 'config' in flags.FLAGS:
      file, argv = _take_config(argv, default_config)
    arguments[:] = argv
    try:
      rest = flags.FLAGS(argv)
    except SystemExit:
      # After printing a help, absl exits with 1, as after an error.
      sys.exit(0)
    if 'config' in flags.FLAGS:
      config = flags.FLAGS.config
      # A config file that cannot be read raises when its value is used.
      if not _is_section(config) or isinstance(config, dict):
        raise errors.UserError(
          f'--config={file}: its get_config returns no ConfigDict; return one'
        )
      _check_overrides(argv)
    return rest
  # ml_collections does not catch what a config file raises.
  except Exception as error:
    if mistake := _find_mistake(error, file):
      raise mistake from None
    print(f'error: {_describe(error, file, argv)}', file=sys.stderr)
    sys.exit(2)


def _find_mistake(
  error: BaseException | None, file: str | None
) -> BaseException | None:
  """Returns the mistake in the code of a config file that led to an error.

  None if there is none: what is raised by `raise ValueError` is a message to
  the user, and the texts of an OSError and an ImportError say enough.
  """
  path = os.path.abspath((file or '').partition(':')[0])
  # absl and ml_collections put their own errors around some types.
  while error is not None:
    frames = traceback.extract_tb(error.__traceback__)
    if any(os.path.abspath(frame.filename) == path for frame in frames):
      is_message = isinstance(error, ValueError) and (
        (frames[-1].line or '').startswith('raise ')
      )
      if is_message or isinstance(error, OSError | ImportError):
        return None
      return error
    error = error.__context__
  return None


def _check_overrides(argv: Sequence[str]) -> None:
  """Raises if a section is replaced, or a tuple given twice.

  ml_collections would join both tuples.
  """
  overrides = config_flags.get_override_values(flags.FLAGS['config'])
  names = [arg.lstrip('-').partition('=')[0] for arg in argv]
  for field, value in overrides.items():
    if _is_section(value):
      # `_describe` names its fields.
      raise errors.UserError(f'--config.{field} is a section')
    count = names.count(f'config.{field}')
    if isinstance(value, tuple) and count > 1:
      raise errors.UserError(
        f'--config.{field} is given {count} times; give it once, with all its '
        'values'
      )


def _take_config(
  argv: Sequence[str], default: str | None
) -> tuple[str | None, Sequence[str]]:
  """Returns the config file, and the arguments with it as the first flag.

  A file in configs/ that the current folder does not have is one of ours.
  """
  file, rest = default, []
  left = iter(argv[1:])
  for arg in left:
    if arg in ('--config', '-config'):
      file = next(left, '')
    elif match := re.match(r'--?config=', arg):
      file = arg[match.end() :]
    else:
      rest.append(arg)
  if file is None:
    return None, argv
  match = re.match(r'configs[/\\](\w+\.py)(.*)', file)
  if match and not pathlib.Path('configs', match[1]).exists():
    file = f'{config_files.folder() / match[1]}{match[2]}'
  return file, [argv[0], f'--config={file}', *rest]


def _describe(error: Exception, file: str | None, argv: Sequence[str]) -> str:
  """Returns one line on a flag that could not be parsed.

  ml_collections names neither the known fields nor the type of a field, so both
  are looked up in the config.
  """
  text = str(error).removeprefix('ERROR:: ')
  # absl names the flag that is wrong, ml_collections does not.
  named = re.search(r"\bflag '?-*([\w.-]+)", text)
  config = _load_config(file)
  for arg, following in zip(argv, [*argv[1:], ''], strict=True):
    match = re.fullmatch(r'--?(config\.[^=]+)(?:=(.*))?', arg, re.S)
    if config is None or not match or (named and named[1] != match[1]):
      continue
    line = _describe_override(config, match[1], match[2], following)
    if line:
      return line
  for words, wanted in _WANTED.items():
    flag, found, _ = text.partition(f': {words}')
    if found and flag.startswith('flag --'):
      text = f'{flag.removeprefix("flag ")}: wanted {wanted}'
  if 'Traceback' in text:
    # The last line is the type and the text of what the config file raised.
    text = text.strip().splitlines()[-1].partition(': ')[2]
  if isinstance(error, OSError):
    text = '--config: ' + text[max(text.find('[Errno'), 0) :]
  if isinstance(error, flags.UnrecognizedFlagError):
    text += '; --help shows the flags, and how the command is called'
  for arg in argv[1:]:
    if arg.startswith('-') and os.path.isfile(arg):
      text += f'; the file of that name is ./{arg}'
  return ' '.join(text.split())


def _describe_override(
  node: Any, path: str, value: str | None, following: str
) -> str:
  """Returns what is wrong with an override, '' if nothing is.

  Args:
    node: the config.
    path: path of the field, such as config.a.b.
    value: the text after the equals sign, None if there is none.
    following: the next argument, which is the value if `value` is None.
  """
  place, *parts = path.split('.')
  for part in parts:
    if not _is_section(node):
      return f'--{path} is no field: --{place} is a value, without fields'
    if part not in node:
      known = ', '.join(sorted(node))
      return f'--{path} is no field; the fields of --{place} are: {known}'
    node, place = node[part], f'{place}.{part}'
  if _is_section(node):
    known = ', '.join(sorted(node))
    return f'--{path} is a section; set one of its fields: {known}'
  kinds: dict[type, tuple[flags.ArgumentParser, str]] = {
    bool: (flags.BooleanParser(), 'true or false'),
    int: (flags.IntegerParser(), f'int, as {node} is'),
    float: (flags.FloatParser(), f'float, as {node} is'),
  }
  if value is None:
    # A bool without a value is true.
    value = 'true' if isinstance(node, bool) else following
  if type(node) in kinds:
    parser, wanted = kinds[type(node)]
    try:
      parser.parse(value)
    except ValueError:
      return f'--{path}={value}: wanted {wanted}'
  return ''


def _load_config(file: str | None) -> Any:
  """Returns a config without overrides, None if it cannot be read."""
  values = flags.FlagValues()
  config_flags.DEFINE_config_file('config', flag_values=values, sys_argv=[])
  with contextlib.suppress(Exception):
    values(['', f'--config={file}'])
    _ = values.config.keys
    return values.config
  return None
