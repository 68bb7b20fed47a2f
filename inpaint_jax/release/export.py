"""A trained net as one file for other programs: ONNX or StableHLO.

Both have the inputs `image` float32 [B, H, W, 3] in [0, 1] and `mask` float32
[B, H, W, 1] in {0, 1}, 1 = hole, for any B and any H and W that are multiples
of 8, and the outputs, float32 [B, H, W, 3] in [0, 1]:

filled   the composite: in the hole the net's picture, elsewhere `image`, bit
         for bit
picture  the net's whole picture

What `image` holds within the hole does not matter. The weights are in the file.
In a file of type float16 the kernels of the convolutions, which are nearly all
of it, are stored in half precision; all is computed in float32.
"""

from collections.abc import Callable, Sequence
import functools
import importlib.util
import pathlib
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from inpaint_jax import __version__
from inpaint_jax.release import onnx_runtime
from inpaint_jax.runs import trained_model
from inpaint_jax.system import atomic_files, errors

# Channels of the inputs, and names of the outputs.
INPUTS = {'image': 3, 'mask': 1}
OUTPUTS = ('filled', 'picture')
# Of height and width. The UNet halves them thrice.
MULTIPLE = 8
# What the exported file may differ from the net in JAX, of a range of 1.
TOLERANCE = 1e-4

DTYPES = {'float16': np.dtype(np.float16), 'float32': np.dtype(np.float32)}

# B, H and W of the pictures on which a file is checked.
_CHECKED = ((1, 64, 64), (3, 72, 40))

Shape = tuple[int, int, int]
Run = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]


class Format(NamedTuple):
  """A kind of file.

  Attributes:
    write: returns a net as the bytes of a file, kernels in the given type.
    read: returns a function of (image, mask) that runs a file.
    needs: modules that it takes, of the extra [onnx].
    usage: how to use a file, in Python; {path} is the file.
  """

  write: Callable[[trained_model.TrainedModel, np.dtype], bytes]
  read: Callable[[pathlib.Path], Run]
  needs: tuple[str, ...]
  usage: str


@functools.partial(jax.jit, static_argnames=('model', 'to_image'))
def _apply(
  variables: Any,
  image: jax.Array,
  mask: jax.Array,
  *,
  model: nn.Module,
  to_image: Callable[[jax.Array], jax.Array],
) -> tuple[jax.Array, jax.Array]:
  mask = (mask > 0.5).astype(jnp.float32)
  outputs = model.apply(variables, image * (1 - mask), mask, train=False)
  picture = jnp.clip(to_image(outputs), 0, 1)
  return jnp.where(mask > 0.5, picture, image), picture


def create_function(
  net: trained_model.TrainedModel,
) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
  """Returns `fn(image, mask) -> (filled, picture)`, see the top of this file.

  It computes in float32, also where the net was trained in bfloat16.
  """
  return functools.partial(
    _apply,
    net.variables,
    # Convolutions as they are defined: they leave height and width open.
    model=net.model.clone(dtype=jnp.float32, conv='xla'),
    to_image=net.loss.to_image,
  )


def to_onnx(net: trained_model.TrainedModel, dtype: np.dtype) -> bytes:
  """Returns a net as an ONNX file.

  Its metadata tell the net, its loss and, as `size`, the working size: height
  and width in pixels of the pictures that it was trained with.

  Args:
    net: what to export.
    dtype: in which kernels are stored, float32 or float16.

  Raises:
    errors.UserError: the net has an operation that cannot be exported.
  """
  from inpaint_jax.release import onnx_graph

  try:
    return onnx_graph.build(
      create_function(net),
      INPUTS,
      OUTPUTS,
      multiple=MULTIPLE,
      dtype=dtype,
      metadata={
        'inpaint_jax': __version__,
        'model': net.config.model.name,
        'loss': net.config.loss,
        'size': str(net.config.data.image_size),
        'multiple': str(MULTIPLE),
      },
    )
  except NotImplementedError as error:
    line = errors.one_line(error, 200)
    raise errors.UserError(
      f'this net cannot be exported to ONNX: {line}; add a rule to '
      'onnx_graph.py, or export with --format=stablehlo'
    ) from error


def to_stablehlo(net: trained_model.TrainedModel, dtype: np.dtype) -> bytes:
  """Returns a net as what `jax.export.deserialize` reads; see to_onnx."""
  kernels = jax.tree.map(
    lambda x: np.asarray(x).astype(dtype) if x.ndim > 1 else np.asarray(x),
    net.variables,
  )

  def fn(image: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    # Not x.astype, which would widen them before they enter the file.
    variables = jax.tree.map(
      lambda x: jax.lax.convert_element_type(x, jnp.float32), kernels
    )
    return create_function(net._replace(variables=variables))(image, mask)

  b, h, w = jax.export.symbolic_shape('b, h, w')
  shape = (b, MULTIPLE * h, MULTIPLE * w)
  arguments = [
    jax.ShapeDtypeStruct((*shape, c), jnp.float32) for c in INPUTS.values()
  ]
  # Else the file would tell where the sources lie on this machine.
  frames = jax.config.jax_traceback_in_locations_limit
  jax.config.update('jax_traceback_in_locations_limit', 0)
  try:
    exported = jax.export.export(
      jax.jit(fn), platforms=('cpu', 'cuda', 'rocm', 'tpu')
    )(*arguments)
  finally:
    jax.config.update('jax_traceback_in_locations_limit', frames)
  return bytes(exported.serialize())


def _read_onnx(path: pathlib.Path) -> Run:
  session = onnx_runtime.create_session(path)
  return lambda image, mask: session.run(
    list(OUTPUTS), {'image': image, 'mask': mask}
  )


def _read_stablehlo(path: pathlib.Path) -> Run:
  run = jax.jit(jax.export.deserialize(bytearray(path.read_bytes())).call)
  return lambda image, mask: [np.asarray(x) for x in run(image, mask)]


FORMATS: dict[str, Format] = {
  'onnx': Format(
    to_onnx,
    _read_onnx,
    ('onnx', 'onnxruntime'),
    'filled, picture = onnxruntime.InferenceSession({path!r}).run(\n'
    "    None, {{'image': image, 'mask': mask}})",
  ),
  'stablehlo': Format(
    to_stablehlo,
    _read_stablehlo,
    (),
    'run = jax.jit(jax.export.deserialize(\n'
    "    bytearray(open({path!r}, 'rb').read())).call)\n"
    '  filled, picture = run(image, mask)',
  ),
}


class Report(NamedTuple):
  """What became of an export.

  Attributes:
    num_bytes: size of the file.
    difference: largest difference to the net in JAX with the same weights, of
      a range of 1.
    rounding: largest difference that half precision makes, 0 in float32.
  """

  num_bytes: int
  difference: float
  rounding: float


def check_packages(kind: str) -> None:
  """Raises a UserError if a package is missing that a format needs.

  Args:
    kind: a key of FORMATS.
  """
  for module in FORMATS[kind].needs:
    if importlib.util.find_spec(module) is None:
      raise errors.UserError(
        f'{kind} needs the package {module}, which is not installed: pip '
        "install -e '.[onnx]'"
      )


def export(
  net: trained_model.TrainedModel,
  path: pathlib.Path,
  kind: str,
  dtype: str = 'float32',
  shapes: Sequence[Shape] = _CHECKED,
) -> Report:
  """Writes a net to a file, once the file was seen to do what the net does.

  Args:
    net: what to export.
    path: the file; replaced if it exists.
    kind: a key of FORMATS.
    dtype: a key of DTYPES.
    shapes: B, H and W of the pictures on which the file is checked.

  Raises:
    errors.UserError: an unknown format or type, a package that is missing, a
      path that cannot be written to, or a file that differs from the net; then
      nothing is written.
  """
  form = errors.choose(FORMATS, kind, 'format')
  stored = errors.choose(DTYPES, dtype, 'dtype')
  check_packages(kind)
  atomic_files.check_writable(path, f'output={path}')
  try:
    with atomic_files.replacing(path) as temporary:
      temporary.write_bytes(form.write(net, stored))
      num_bytes = temporary.stat().st_size
      return check(net, form.read(temporary), stored, num_bytes, shapes)
  except OSError as error:
    raise errors.UserError(
      f'output={path} cannot be written: {error.strerror or error}'
    ) from error


def check(
  net: trained_model.TrainedModel,
  run: Run,
  dtype: np.dtype,
  num_bytes: int,
  shapes: Sequence[Shape],
) -> Report:
  """Compares a file with its net in JAX, on random pictures.

  Args:
    net: what was exported.
    run: what Format.read returned.
    dtype: in which kernels are stored.
    num_bytes: size of the file.
    shapes: B, H and W of the pictures.

  Raises:
    errors.UserError: they differ by more than TOLERANCE.
  """
  exact = create_function(net)
  rounded = create_function(round_kernels(net, dtype))
  differences, roundings = [], []
  for seed, shape in enumerate(shapes):
    image, mask = example(shape, seed)
    wanted = rounded(image, mask)
    differences.append(largest_difference(run(image, mask), wanted))
    roundings.append(largest_difference(wanted, exact(image, mask)))
  difference = float(np.max(differences))
  # Written so that NaN, which compares as false, is refused as well.
  if not difference <= TOLERANCE:
    raise errors.UserError(
      f'the exported file differs from the net by {difference:.2g}, more than '
      f'{TOLERANCE:g}; it was not kept. Please report this, with the versions '
      'of jax, onnx and onnxruntime'
    )
  return Report(num_bytes, difference, float(np.max(roundings)))


def round_kernels(
  net: trained_model.TrainedModel, dtype: np.dtype
) -> trained_model.TrainedModel:
  """Returns a net with the weights that a file of the given type has."""

  def round_(x: Any) -> Any:
    return jnp.asarray(x).astype(dtype).astype(x.dtype) if x.ndim > 1 else x

  return net._replace(variables=jax.tree.map(round_, net.variables))


def largest_difference(found: Any, wanted: Any) -> float:
  """Returns the largest difference of two lists of arrays; NaN if any is."""
  pairs = zip(found, wanted, strict=True)
  return float(np.max([np.max(np.abs(np.asarray(a) - b)) for a, b in pairs]))


def example(shape: Shape, seed: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns a smooth random picture with noise and a square hole.

  Args:
    shape: B, H and W.
    seed: what the picture depends on.

  Returns:
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
