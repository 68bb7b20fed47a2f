"""Converts a JAX function of images to an ONNX graph.

The function is traced with symbolic batch, height and width, and each operation
of its jaxpr becomes an ONNX one, so there is no second description of a model
that could differ from the first. Layers that JAX writes as reshapes and slices
(pooling, upsampling) are recognised by the names of their jitted functions and
become one operation each.

ONNX has channels second. An image [B, H, W, C] is a value [B, C, H, W] of the
graph; [B, H, W], with the channels reduced, is [B, 1, H, W]. Only the inputs
and outputs are transposed.

To support another operation, write its rule and add it to PRIMITIVES. The
operations are described at https://onnx.ai/onnx/operators.

Attributes:
  PRIMITIVES: name of a JAX primitive to its rule: the ONNX operation of the
    same inputs, or a function `(graph, eqn, inputs) -> value`.
  LAYERS: name of a jitted function to a function `(graph, inputs) -> value`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from jax.extend import core
import numpy as np
import onnx
from onnx import helper, numpy_helper

# Versions that runtimes of 2022 and later read (ONNX Runtime from 1.11).
_OPSET = 17
_IR_VERSION = 8
_TO_SECOND = (0, 3, 1, 2)  # B, H, W, C -> B, C, H, W
_TO_LAST = (0, 2, 3, 1)

# An np.ndarray, known while the graph is built, or the name of a value in the
# graph. Rules check which they need.
Value = Any
# A jax.extend.core.JaxprEqn, whose types leave out shape and dtype.
Eqn = Any


class Graph:
  """The nodes and weights of a graph that is being built."""

  def __init__(self, dtype: np.dtype):
    """Creates an empty graph that stores convolution kernels as `dtype`."""
    # The name of the shape [B, 1, H, W], to which constants are expanded.
    self.shape = ''
    self.nodes: list[onnx.NodeProto] = []
    self.initializers: list[onnx.TensorProto] = []
    self.dtype = dtype
    self._names: dict[bytes, str] = {}  # By the content of the constant.

  def add(self, op: str, *inputs: Value, **attributes: Any) -> str:
    """Appends a node and returns the name of its output."""
    names = [x if isinstance(x, str) else self._constant(x) for x in inputs]
    name = f'{op.lower()}_{len(self.nodes)}'
    self.nodes.append(helper.make_node(op, names, [name], name, **attributes))
    return name

  def _constant(self, value: np.ndarray) -> str:
    """Stores a constant with JAX's order of axes; returns its name."""
    if value.ndim == 4:
      value = value.transpose(_TO_SECOND)
    elif value.ndim != 0:
      raise NotImplementedError(f'a constant of shape {list(value.shape)}')
    return self.store(value)

  def store(self, value: np.ndarray) -> str:
    """Stores a constant unchanged, equal ones once; returns its name."""
    key = numpy_helper.from_array(value).SerializeToString()
    if key not in self._names:
      name = self._names[key] = f'constant_{len(self._names)}'
      self.initializers.append(numpy_helper.from_array(value, name))
    return self._names[key]


Rule = Callable[[Graph, Eqn, Sequence[Value]], Value]


def build(
  traced: core.ClosedJaxpr,
  inputs: dict[str, int],
  outputs: Sequence[str],
  dtype: np.dtype,
  metadata: dict[str, str],
) -> bytes:
  """Returns a traced function of images as the bytes of an ONNX file.

  Args:
    traced: takes float32 [B, H, W, C] for each of `inputs`, and returns float32
      [B, H, W, 3] for each of `outputs`. Its constants, such as weights, are
      stored in the file.
    dtype: type of the stored kernels, float32 or float16; everything is
      computed in float32.

  Raises:
    NotImplementedError: the function uses an operation that has no rule.
  """
  graph = Graph(dtype)
  values = [graph.add('Transpose', x, perm=_TO_SECOND) for x in inputs]
  graph.shape = graph.add('Shape', values[-1])
  for name, value in zip(outputs, _walk(graph, traced, values), strict=True):
    graph.add('Transpose', value, perm=_TO_LAST)
    graph.nodes[-1].output[0] = name

  def tensor(name: str, c: int) -> onnx.ValueInfoProto:
    sizes: list[str | int | None] = ['batch', 'height', 'width', c]
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)

  model = helper.make_model(
    helper.make_graph(
      graph.nodes,
      'inpaint',
      [tensor(name, c) for name, c in inputs.items()],
      [tensor(name, 3) for name in outputs],
      graph.initializers,
    ),
    opset_imports=[helper.make_opsetid('', _OPSET)],
    ir_version=_IR_VERSION,
    producer_name='inpaint_jax',
  )
  helper.set_model_props(model, metadata)
  onnx.checker.check_model(model, full_check=True)
  return model.SerializeToString()


def _walk(
  graph: Graph, closed: core.ClosedJaxpr, inputs: Sequence[Value]
) -> list[Value]:
  """Adds all operations of a jaxpr; returns its outputs."""
  jaxpr = closed.jaxpr
  values: dict[core.Var, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
  for var, const in zip(jaxpr.constvars, closed.consts, strict=True):
    values[var] = np.asarray(const)

  def read(atom: core.Var | core.Literal) -> Value:
    if isinstance(atom, core.Literal):
      aval: Any = atom.aval
      return np.asarray(atom.val, aval.dtype)
    return values[atom]

  for eqn in jaxpr.eqns:
    found = _equation(graph, eqn, [read(x) for x in eqn.invars])
    values.update(zip(eqn.outvars, found, strict=True))
  return [read(x) for x in jaxpr.outvars]


def _equation(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> list[Value]:
  if eqn.primitive.name == 'custom_linear_solve':
    counts, jaxprs = eqn.params['const_lengths'], eqn.params['jaxprs']
    start = counts.matvec + counts.vecmat
    consts = inputs[start : start + counts.solve]
    flow = inputs[start + counts.solve + counts.transpose_solve :]
    return _walk(graph, jaxprs.solve, [*consts, *flow])
  if inner := eqn.params.get('jaxpr') or eqn.params.get('call_jaxpr'):
    if eqn.primitive.name == 'scan':
      return _scan(graph, eqn, inputs)
    if layer := LAYERS.get(eqn.params.get('name')):
      return [layer(graph, inputs)]
    return _walk(graph, inner, inputs)
  known = all(isinstance(x, np.ndarray) for x in inputs)
  sizes = [n for x in eqn.outvars for n in x.aval.shape]
  # Without inputs, too, a size is known only when the graph runs.
  known &= eqn.primitive.name != 'dim_as_value'
  if known and all(isinstance(n, int) for n in sizes):
    # It depends on the weights only, so it is computed now.
    found = eqn.primitive.bind(*inputs, **eqn.params)
    found = found if eqn.primitive.multiple_results else [found]
    return [np.asarray(x) for x in found]
  rule = PRIMITIVES.get(eqn.primitive.name)
  if rule is None:
    raise NotImplementedError(
      f'{eqn.primitive.name} has no rule in onnx_graph.PRIMITIVES'
    )
  if isinstance(rule, str):
    return [graph.add(rule, *inputs)]
  return [rule(graph, eqn, inputs)]


def _scan(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> list[Value]:
  """Unrolls a loop that has a carry, and no inputs or outputs per step."""
  count = eqn.params['num_consts']
  consts, carry = inputs[:count], list(inputs[count:])
  _require(len(carry) == eqn.params['num_carry'] == len(eqn.outvars), eqn)
  for _ in range(eqn.params['length']):
    carry = _walk(graph, eqn.params['jaxpr'], [*consts, *carry])
  return carry


def _require(condition: bool, eqn: Eqn) -> None:
  if not condition:
    raise NotImplementedError(f'this use of {eqn.primitive.name}: {eqn}')


def _sub(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> Value:
  left, right = inputs
  if isinstance(right, np.ndarray):
    # The same result, in the form that runtimes merge into a convolution.
    return graph.add('Add', left, -right)
  return graph.add('Sub', left, right)


def _select(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  which, if_false, *rest = inputs
  _require(len(rest) == 1 and eqn.invars[0].aval.dtype == bool, eqn)
  return graph.add('Where', which, rest[0], if_false)


def _conv(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  x, kernel = inputs
  params, axes = eqn.params, eqn.params['dimension_numbers']
  _require(
    axes.lhs_spec == axes.out_spec == _TO_SECOND
    and axes.rhs_spec == (3, 2, 0, 1)
    and set(params['lhs_dilation']) == {1}
    and params['batch_group_count'] == 1
    and isinstance(kernel, np.ndarray),
    eqn,
  )
  stored = graph.store(kernel.transpose(3, 2, 0, 1).astype(graph.dtype))
  if graph.dtype != np.float32:
    stored = graph.add('Cast', stored, to=onnx.TensorProto.FLOAT)
  before, after = zip(*params['padding'], strict=True)
  return graph.add(
    'Conv',
    x,
    stored,
    kernel_shape=kernel.shape[:2],
    strides=params['window_strides'],
    dilations=params['rhs_dilation'],
    pads=[*before, *after],
    group=params['feature_group_count'],
  )


def _concatenate(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  _require(eqn.outvars[0].aval.ndim == 4, eqn)
  axis = _TO_SECOND.index(eqn.params['dimension'])
  return graph.add('Concat', *inputs, axis=axis)


def _broadcast(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  old, new = eqn.invars[0].aval, eqn.outvars[0].aval
  axes = eqn.params['broadcast_dimensions']
  _require(new.ndim == 4 and axes == tuple(range(old.ndim)), eqn)
  x = inputs[0]
  if old.shape[1:3] == (1, 1) and old.shape[3] == new.shape[3]:
    return x  # Operations of ONNX broadcast it.
  if isinstance(x, np.ndarray):
    x = graph.store(np.full((1, new.shape[3], 1, 1), x))
    return graph.add('Expand', x, graph.shape)
  _require(old.shape[:3] == new.shape[:3], eqn)
  channels = graph.store(np.array([1, new.shape[3], 1, 1]))
  return graph.add('Expand', x, channels)


def _reduce(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  _require(eqn.params['axes'] == (3,), eqn)
  if eqn.primitive.name == 'reduce_sum':  # Axes are an input since opset 13.
    return graph.add('ReduceSum', *inputs, graph.store(np.array([1])))
  return graph.add('ReduceMax', *inputs, axes=[1])


def _pad(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  config = [eqn.params['padding_config'][axis] for axis in _TO_SECOND]
  before, after, between = zip(*config, strict=True)
  _require(not any(between), eqn)
  # As in JAX, negative numbers crop.
  x, value = inputs
  return graph.add('Pad', x, graph.store(np.array([*before, *after])), value)


def _crop_to(graph: Graph, inputs: Sequence[Value]) -> str:
  x, like = inputs
  zero, axes = graph.store(np.array([0, 0])), graph.store(np.array([2, 3]))
  sides = graph.add('Gather', graph.add('Shape', like), axes)
  return graph.add('Slice', x, zero, sides, axes)


def _double(graph: Graph, inputs: Sequence[Value], **attributes: str) -> str:
  # No region of interest; scales of B, C, H and W.
  scales = graph.store(np.array([1, 1, 2, 2], np.float32))
  return graph.add('Resize', *inputs, '', scales, **attributes)


def _attend(graph: Graph, inputs: Sequence[Value]) -> str:
  query, key, value, hole = (
    graph.add('Reshape', x, graph.store(np.array([0, 0, -1]))) for x in inputs
  )  # [B, C, H W]
  rows = graph.add('Transpose', query, perm=(0, 2, 1))
  # The number of channels, which are the second axis here.
  count = graph.add('Gather', graph.add('Shape', key), graph.store(np.array(1)))
  scale = graph.add('Sqrt', graph.add('Cast', count, to=onnx.TensorProto.FLOAT))
  scores = graph.add('Div', graph.add('MatMul', rows, key), scale)
  less = graph.add('Mul', hole, np.array(10, np.float32))
  weights = graph.add('Softmax', graph.add('Sub', scores, less), axis=2)
  columns = graph.add('Transpose', weights, perm=(0, 2, 1))
  found = graph.add('MatMul', value, columns)
  return graph.add('Reshape', found, graph.add('Shape', inputs[0]))


def _gather(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  """Adds a slice `x[..., :n]`: with symbolic sizes, JAX makes it a gather."""
  old, new = eqn.invars[0].aval, eqn.outvars[0].aval
  x, start = inputs
  numbers = eqn.params['dimension_numbers']
  _require(
    isinstance(start, np.ndarray)
    and numbers.offset_dims == (0, 1, 2, 3)
    and numbers.start_index_map == (3,)
    and old.shape[:3] == new.shape[:3],
    eqn,
  )
  ends = start, start + new.shape[3], np.array([1], start.dtype)
  return graph.add('Slice', x, *map(graph.store, ends))


_ONE = np.array(1, np.float32)

PRIMITIVES: dict[str, str | Rule] = {
  'abs': 'Abs',
  'add': 'Add',
  'broadcast_in_dim': _broadcast,
  'concatenate': _concatenate,
  'conv_general_dilated': _conv,
  'convert_element_type': lambda graph, eqn, x: graph.add(
    'Cast', *x, to=helper.np_dtype_to_tensor_dtype(eqn.params['new_dtype'])
  ),
  'copy': 'Identity',
  'div': 'Div',
  'erf': 'Erf',
  'erfc': lambda graph, _, x: graph.add('Sub', _ONE, graph.add('Erf', *x)),
  'exp': 'Exp',
  'expm1': lambda graph, _, x: graph.add('Sub', graph.add('Exp', *x), _ONE),
  'gather': _gather,
  'ge': 'GreaterOrEqual',
  'gt': 'Greater',
  'integer_pow': lambda graph, eqn, x: graph.add(
    'Pow', *x, np.array(eqn.params['y'], np.float32)
  ),
  'le': 'LessOrEqual',
  'log': 'Log',
  'log1p': lambda graph, _, x: graph.add('Log', graph.add('Add', *x, _ONE)),
  'logistic': 'Sigmoid',
  'lt': 'Less',
  'max': 'Max',
  'min': 'Min',
  'mul': 'Mul',
  'ne': lambda graph, _, x: graph.add('Not', graph.add('Equal', *x)),
  'neg': 'Neg',
  'pad': _pad,
  'reduce_max': _reduce,
  'reduce_sum': _reduce,
  'rsqrt': lambda graph, _, x: graph.add('Reciprocal', graph.add('Sqrt', *x)),
  'select_n': _select,
  'sqrt': 'Sqrt',
  'square': lambda graph, _, x: graph.add('Mul', *x, *x),
  'stop_gradient': 'Identity',
  'sub': _sub,
  'tanh': 'Tanh',
}

LAYERS: dict[str, Callable[[Graph, Sequence[Value]], Value]] = {
  'attend': _attend,
  'crop_to': _crop_to,
  'max_pool': lambda graph, x: graph.add(
    'MaxPool', *x, kernel_shape=(2, 2), strides=(2, 2)
  ),
  'relu': lambda graph, x: graph.add('Relu', *x),
  'sum_pixels': lambda graph, x: graph.add(
    'ReduceSum', *x, graph.store(np.array([2, 3]))
  ),
  'upsample_bilinear': lambda graph, x: _double(
    graph, x, mode='linear', coordinate_transformation_mode='half_pixel'
  ),
  'upsample_nearest': lambda graph, x: _double(
    graph,
    x,
    mode='nearest',
    coordinate_transformation_mode='asymmetric',
    nearest_mode='floor',
  ),
}
