"""A trained model as one file for other programs: ONNX or StableHLO.

Both have the inputs `image` float32 [B, H, W, 3] in [0, 1] and `mask` float32
[B, H, W, 1] in {0, 1}, 1 = hole, for any B and any H and W that are multiples
of 8, and the outputs, float32 [B, H, W, 3] in [0, 1]:

filled   the composite: the model's image in the hole, elsewhere `image`, bit
         for bit
output   the model's whole image

The values of `image` in the hole do not matter. The file contains the weights.
In a file of type float16 the kernels of the convolutions, which are nearly all
of it, are stored in half precision; everything is computed in float32.
"""

from collections.abc import Callable, Sequence
import contextlib
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import __version__, models
from inpaint_jax.release import onnx_runtime
from inpaint_jax.runs.trained_model import TrainedModel
from inpaint_jax.system import atomic_files, errors

# Channels of the inputs, and names of the outputs.
INPUTS = {'image': 3, 'mask': 1}
OUTPUTS = ('filled', 'output')
# Height and width are multiples of this: the UNet halves them three times.
MULTIPLE = 8
# Largest accepted difference between images, in [0, 1], of the file and of JAX.
TOLERANCE = 1e-4

DTYPES = {name: np.dtype(name) for name in ('float16', 'float32')}

Shape = tuple[int, int, int]
Run = Callable[[np.ndarray, np.ndarray], Sequence[np.ndarray]]


class Format(NamedTuple):
  """A file format.

  Attributes:
    write: returns the bytes of a model's file, with kernels of a given type.
    read: returns a function of (image, mask) that runs a file.
    usage: Python code that runs a file; {path} stands for its path.
  """

  write: Callable[[TrainedModel, np.dtype], bytes]
  read: Callable[[pathlib.Path], Run]
  usage: str


def create_function(
  model: TrainedModel,
) -> Callable[[Any, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
  """Returns `fn(variables, image, mask) -> (filled, output)`; see the module.

  It computes in float32, even if the model was trained in bfloat16.
  """
  # Only XLA's own convolutions take symbolic heights and widths.
  module = models.with_fields(model.model, dtype=jnp.float32, conv='xla')

  def fn(
    variables: Any, image: jax.Array, mask: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    mask = (mask > 0.5).astype(jnp.float32)
    outputs: Any = module.apply(
      variables, image * (1 - mask), mask, train=False
    )
    output = jnp.clip(model.loss.to_image(outputs), 0, 1)
    return jnp.where(mask > 0.5, output, image), output

  return fn


def _shapes() -> list[jax.ShapeDtypeStruct]:
  """Returns the shapes of the inputs, with symbols for their sizes."""
  b, h, w = jax.export.symbolic_shape('b, h, w')
  shape = (b, MULTIPLE * h, MULTIPLE * w)
  return [
    jax.ShapeDtypeStruct((*shape, c), jnp.float32) for c in INPUTS.values()
  ]


def _any_size() -> contextlib.AbstractContextManager[None]:
  """Turns the error of a model that compares sizes into a UserError."""
  return errors.error_as(
    'this model cannot be exported, since it decides by the size of its images',
    '; use it with backend=jax',
    kind=jax.errors.InconclusiveDimensionOperation,
  )


def to_onnx(model: TrainedModel, dtype: np.dtype) -> bytes:
  """Returns a model as an ONNX file.

  Its metadata hold the model's name, its loss and, as `size`, the side in
  pixels of the images that it was trained on.

  Raises:
    errors.UserError: a package is missing, or the model has an operation that
      cannot be exported.
  """
  for package in ('onnx', 'onnxruntime'):
    errors.check_installed(package, 'onnx', 'onnx')
  from inpaint_jax.release import onnx_graph

  fn = create_function(model)
  metadata = {
    'inpaint_jax': __version__,
    'model': model.config.model.name,
    'loss': model.config.loss,
    'size': str(model.config.data.image_size),
    'multiple': str(MULTIPLE),
  }
  with (
    errors.error_as(
      'this model cannot be exported to ONNX',
      '; add a rule to onnx_graph.py, or export with format=stablehlo',
      kind=NotImplementedError,
    ),
    _any_size(),
  ):
    traced = jax.make_jaxpr(functools.partial(fn, model.variables))(*_shapes())
    return onnx_graph.build(traced, INPUTS, OUTPUTS, dtype, metadata)


def to_stablehlo(model: TrainedModel, dtype: np.dtype) -> bytes:
  """Returns a model as bytes for `jax.export.deserialize`; see to_onnx.

  Raises:
    errors.UserError: the model depends on the size of its images.
  """
  function = create_function(model)
  stored = _store(model, dtype)

  def fn(image: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    # Not x.astype, which would store them in the file as float32.
    variables = jax.tree.map(
      lambda x: jax.lax.convert_element_type(x, jnp.float32), stored
    )
    return function(variables, image, mask)

  # Otherwise the file would contain paths of source files on this machine.
  name = 'jax_traceback_in_locations_limit'
  frames = jax.config.values[name]
  jax.config.update(name, 0)
  try:
    with _any_size():
      exported = jax.export.export(
        jax.jit(fn), platforms=('cpu', 'cuda', 'rocm', 'tpu')
      )(*_shapes())
  finally:
    jax.config.update(name, frames)
  return bytes(exported.serialize())


def _read_stablehlo(path: pathlib.Path) -> Run:
  run = jax.jit(jax.export.deserialize(bytearray(path.read_bytes())).call)
  return lambda image, mask: [np.asarray(x) for x in run(image, mask)]


FORMATS: dict[str, Format] = {
  'onnx': Format(
    to_onnx,
    lambda path: onnx_runtime.OnnxFill(path).run,
    'filled, output = onnxruntime.InferenceSession({path!r}).run(\n'
    "    None, {{'image': image, 'mask': mask}})",
  ),
  'stablehlo': Format(
    to_stablehlo,
    _read_stablehlo,
    'run = jax.jit(jax.export.deserialize(\n'
    "    bytearray(open({path!r}, 'rb').read())).call)\n"
    '  filled, output = run(image, mask)',
  ),
}


def export(
  model: TrainedModel,
  path: pathlib.Path,
  kind: str,
  dtype: str = 'float32',
  shapes: Sequence[Shape] = ((1, 64, 64), (3, 72, 40)),
) -> tuple[float, float]:
  """Writes a model to a file, and checks that both give the same images.

  Returns:
    The largest difference, of images in [0, 1], between the file and the model
    in JAX with the same weights; and the largest between that and the model
    with its own weights, which half precision makes (0 in float32).

  Raises:
    errors.UserError: an unknown format or type, a missing package, a path that
      cannot be written to, or a file that differs from the model; then nothing
      is written.
  """
  file_format = errors.choose(FORMATS, kind, 'format')
  stored = errors.choose(DTYPES, dtype, 'dtype')
  atomic_files.check_writable(path, f'output={path}')
  with (
    errors.error_as(f'output={path} cannot be written'),
    atomic_files.replacing(path) as temporary,
  ):
    temporary.write_bytes(file_format.write(model, stored))
    return _compare(model, file_format.read(temporary), stored, shapes)


def _compare(
  model: TrainedModel, run: Run, dtype: np.dtype, shapes: Sequence[Shape]
) -> tuple[float, float]:
  """Compares a file, run by `run`, with its model on random images.

  Raises:
    errors.UserError: they differ by more than TOLERANCE.
  """
  fn = jax.jit(create_function(model))
  stored = jax.tree.map(lambda x: x.astype(jnp.float32), _store(model, dtype))
  differences = []
  for seed, shape in enumerate(shapes):
    image, mask = example(shape, seed)
    found, expected = run(image, mask), fn(stored, image, mask)
    exact = fn(model.variables, image, mask)
    steps = np.diff(np.stack([found, expected, exact]), axis=0)
    differences.append(np.abs(steps).max(axis=(1, 2, 3, 4, 5)))
  difference, rounding = np.max(differences, axis=0).tolist()
  # Written so that NaN, which compares as false, is refused, too.
  if not difference <= TOLERANCE:
    raise errors.UserError(
      f'the exported file differs from the model by {difference:.2g}, '
      f'more than {TOLERANCE:g}; it was not kept. Please report this, with the '
      'versions of jax, onnx and onnxruntime'
    )
  return difference, rounding


def _store(model: TrainedModel, dtype: np.dtype) -> Any:
  """Returns the variables as a file stores them: kernels in the given type."""
  return jax.tree.map(
    lambda x: np.asarray(x, dtype if x.ndim > 1 else None), model.variables
  )


def example(shape: Shape, seed: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns smooth random images with noise, and a square hole in each.

  float32 [B, H, W, 3] in [0, 1] and [B, H, W, 1] in {0, 1}.
  """
  B, H, W = shape
  r = np.random.default_rng(seed)
  coarse = r.random((B, H // 8, W // 8, 3), np.float32)
  image = 0.8 * coarse.repeat(8, axis=1).repeat(8, axis=2)
  image += 0.2 * r.random(image.shape, np.float32)
  mask = np.zeros((B, H, W, 1), np.float32)
  mask[:, H // 4 : H // 2, W // 3 : W * 3 // 4] = 1
  return image, mask
