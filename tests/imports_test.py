"""The direction of imports: each folder may import only those in its row."""

import ast
import graphlib
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / 'inpaint_jax'

# From the bottom up: a folder, or a module that lies next to the folders, and
# what it may import. Imports within functions count, too.
REGISTRIES = {
  'baselines',
  'deep_features',
  'detectability',
  'discriminators',
  'losses',
  'lpips',
  'masks',
  'metrics',
  'models',
  'objectives',
  'optimizers',
}
MAY_IMPORT = {
  '__init__': set(),
  'system': {'__init__'},
  'photos': {'system'},
  'datasets': {'photos', 'system'},
  **{name: {'system', 'models'} for name in REGISTRIES},
  'masks': {'photos', 'system'},
  'deep_features': {'lpips', 'models', 'system'},
  'detectability': {'lpips'},
  'discriminators': {'deep_features', 'system'},
  'objectives': {'deep_features', 'discriminators', 'lpips', 'system'},
  'models': {'system'},
  'runs': {'system', *REGISTRIES},
  'release': {'__init__', 'runs', 'system', *REGISTRIES},
  'inpainting': {'__init__', 'release', 'runs', 'photos', 'system', 'models'},
  'inference': {'inpainting', 'release'},
  'training': {
    'datasets',
    'photos',
    'release',
    'runs',
    'system',
    *REGISTRIES,
  },
}
MAY_IMPORT['demo'] = {
  'datasets',
  'inference',
  'inpainting',
  'photos',
  'release',
  'system',
}
MAY_IMPORT['study'] = {
  '__init__',
  'inpainting',
  'training',
  *MAY_IMPORT['training'],
}
MAY_IMPORT['speed'] = {
  'inference',
  'inpainting',
  'training',
  *MAY_IMPORT['training'],
}
MAY_IMPORT['comparison'] = {
  'inference',
  'inpainting',
  'photos',
  'release',
  'system',
  *REGISTRIES,
}
MAY_IMPORT['commands'] = set(MAY_IMPORT)
MAY_IMPORT['__main__'] = {'commands'}


def _module(path: pathlib.Path) -> str:
  """Returns the dotted name of a file of the package."""
  parts = path.relative_to(ROOT).with_suffix('').parts
  return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def _imports(path: pathlib.Path, modules: set[str]) -> set[str]:
  """Returns the modules of the package that a file imports anywhere in it."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom):
      names = [f'{node.module}.{alias.name}' for alias in node.names]
      found |= {name if name in modules else node.module for name in names}
    elif isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
  return found & modules


def _graph() -> dict[str, set[str]]:
  """Maps each module of the package to the modules that it imports."""
  paths = {_module(path): path for path in PACKAGE.rglob('*.py')}
  modules = set(paths)
  return {name: _imports(path, modules) for name, path in paths.items()}


def _room(module: str) -> str:
  """Returns a module's folder; its own name if it lies next to the folders."""
  return (module.split('.') + ['__init__'])[1]


def test_imports_point_one_way():
  wrong = [
    f'{module} -> {target}'
    for module, targets in _graph().items()
    for target in targets
    if _room(target) not in MAY_IMPORT[_room(module)] | {_room(module)}
  ]
  assert not wrong


def test_no_circle_of_imports():
  graph = _graph()
  # `from package import module` counts as an import of the module alone, so the
  # modules that a package's __init__ imports may import each other like this.
  graphlib.TopologicalSorter(graph).prepare()


def test_table_has_no_circle_and_no_stale_row():
  rooms = {_room(module) for module in _graph()}
  assert rooms == set(MAY_IMPORT)
  graphlib.TopologicalSorter(MAY_IMPORT).prepare()


def test_configs_import_nothing_of_the_package():
  for path in (ROOT / 'configs').glob('*.py'):
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.ImportFrom):
        assert not node.module.startswith('inpaint_jax'), path
