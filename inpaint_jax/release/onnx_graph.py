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
  PRIMITIVES: name of a JAX primitive to rule `(graph, eqn, inputs) -> value`.
  LAYERS: name of a jitted function to rule, for functions that become one
    operation.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core
import numpy as np
import onnx
from onnx import helper, numpy_helper

# What runtimes of 2022 and later read (ONNX Runtime from 1.11).
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
    """Creates an empty graph.

    Args:
      dtype: of the stored convolution kernels, float32 or float16.
    """
    # The name of the shape [B, 1, H, W], to which constants are expanded.
    self.shape = ''
    self.nodes: list[onnx.NodeProto] = []
    self.initializers: list[onnx.TensorProto] = []
    self._dtype = np.dtype(dtype)
    self._names: dict[bytes, str] = {}

  def add(self, op: str, *inputs: Value, **attributes: Any) -> str:
    """Appends a node and returns the name of its output."""
    names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
    name = f'{op.lower()}_{len(self.nodes)}'
    self.nodes.append(helper.make_node(op, names, [name], name, **attributes))
    return name

  def constant(self, value: np.ndarray) -> str:
    """Stores a constant with JAX's order of axes; returns its name."""
    if value.ndim == 4:
      value = value.transpose(_TO_SECOND)
    elif value.ndim != 0:
      raise NotImplementedError(f'a constant of shape {list(value.shape)}')
    return self.store(value)

  def store(self, value: np.ndarray) -> str:
    """Stores a constant as it is, equal ones once; returns its name."""
    value = np.asarray(value)
    key = b'%s %s ' % (str(value.dtype).encode(), str(value.shape).encode())
    key += value.tobytes()
    if key not in self._names:
      name = self._names[key] = f'constant_{len(self._names)}'
      self.initializers.append(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
      )
    return self._names[key]

  def kernel(self, value: np.ndarray) -> str:
    """Stores a kernel in the graph's type; returns its name in float32."""
    name = self.store(value.astype(self._dtype))
    if self._dtype == value.dtype:
      return name
    return self.add('Cast', name, to=_onnx_type(value.dtype))


Rule = Callable[[Graph, Eqn, Sequence[Value]], Value]


def build(
  fn: Callable[..., tuple[jax.Array, ...]],
  channels: dict[str, int],
  outputs: Sequence[str],
  *,
  multiple: int,
  dtype: np.dtype,
  metadata: dict[str, str] | None = None,
) -> bytes:
  """Returns a function of images as the bytes of an ONNX file.

  Args:
    fn: takes float32 [B, H, W, C] for each entry of `channels`, and returns
      a tuple of float32 [B, H, W, 3], one for each of `outputs`. Its constants,
      such as weights, are stored in the file.
    channels: names of the inputs, with their C; the last C is 1.
    outputs: names of the outputs.
    multiple: H and W are multiples of this number.
    dtype: of the stored kernels, float32 or float16; all is computed in
      float32.
    metadata: stored in the file.

  Raises:
    NotImplementedError: the function uses an operation that has no rule.
  """
  b, h, w = jax.export.symbolic_shape('b, h, w')
  shape = (b, multiple * h, multiple * w)
  traced = jax.make_jaxpr(fn)(
    *(jax.ShapeDtypeStruct((*shape, c), np.float32) for c in channels.values())
  )
  graph = Graph(dtype)
  inputs = [graph.add('Transpose', x, perm=_TO_SECOND) for x in channels]
  graph.shape = graph.add('Shape', inputs[-1])
  for name, value in zip(outputs, _walk(graph, traced, inputs), strict=True):
    graph.add('Transpose', value, perm=_TO_LAST)
    graph.nodes[-1].output[0] = name

  def tensor(name: str, c: int) -> onnx.ValueInfoProto:
    sizes: list[str | int | None] = ['batch', 'height', 'width', c]
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)

  model = helper.make_model(
    helper.make_graph(
      graph.nodes,
      'inpaint',
      [tensor(name, c) for name, c in channels.items()],
      [tensor(name, 3) for name in outputs],
      graph.initializers,
    ),
    opset_imports=[helper.make_opsetid('', _OPSET)],
    ir_version=_IR_VERSION,
    producer_name='inpaint_jax',
  )
  helper.set_model_props(model, metadata or {})
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
  inner = eqn.params.get('jaxpr') or eqn.params.get('call_jaxpr')
  name = eqn.params.get('name') if inner else None
  if name in LAYERS:
    return [LAYERS[name](graph, eqn, inputs)]
  if inner:
    return _walk(graph, inner, inputs)
  known = all(isinstance(x, np.ndarray) for x in inputs)
  if known and all(_is_fixed(x.aval.shape) for x in eqn.outvars):
    # It depends on the weights only: computed now.
    found = eqn.primitive.bind(*inputs, **eqn.params)
    found = found if eqn.primitive.multiple_results else [found]
    return [np.asarray(x) for x in found]
  if eqn.primitive.name not in PRIMITIVES:
    raise NotImplementedError(
      f'{eqn.primitive.name} has no rule in onnx_graph.PRIMITIVES'
    )
  return [PRIMITIVES[eqn.primitive.name](graph, eqn, inputs)]


def _is_fixed(shape: Sequence[Any]) -> bool:
  return all(isinstance(n, int) for n in shape)


def _onnx_type(dtype: np.dtype) -> int:
  return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _require(condition: bool, eqn: Eqn) -> None:
  if not condition:
    raise NotImplementedError(f'this use of {eqn.primitive.name}: {eqn}')


def _elementwise(op: str) -> Rule:
  return lambda graph, eqn, inputs: graph.add(op, *inputs)


def _same(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> Value:
  return inputs[0]


def _sub(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> Value:
  left, right = inputs
  if isinstance(right, np.ndarray):
    # The same number, in the form that runtimes merge into a convolution.
    return graph.add('Add', left, -right)
  return graph.add('Sub', left, right)


def _convert(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  return graph.add('Cast', *inputs, to=_onnx_type(eqn.params['new_dtype']))


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
  before, after = zip(*params['padding'], strict=True)
  return graph.add(
    'Conv',
    x,
    graph.kernel(kernel.transpose(3, 2, 0, 1)),
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
  if isinstance(x, np.ndarray):
    x = graph.store(np.full((1, new.shape[3], 1, 1), x))
    return graph.add('Expand', x, graph.shape)
  _require(old.shape[:3] == new.shape[:3], eqn)
  channels = graph.store(np.array([1, new.shape[3], 1, 1]))
  return graph.add('Expand', x, channels)


def _reduce(op: str) -> Rule:
  def rule(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
    _require(eqn.params['axes'] == (3,), eqn)
    if op == 'ReduceSum':  # Its axes are an input since opset 13.
      return graph.add(op, *inputs, graph.store(np.array([1])), keepdims=1)
    return graph.add(op, *inputs, axes=[1], keepdims=1)

  return rule


def _gather(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  """With symbolic sizes a slice `x[..., :n]` is a gather of one window."""
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
  first = int(start[0])
  return graph.add(
    'Slice',
    x,
    graph.store(np.array([first])),
    graph.store(np.array([first + new.shape[3]])),
    graph.store(np.array([1])),
  )


def _max_pool(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
  return graph.add('MaxPool', *inputs, kernel_shape=(2, 2), strides=(2, 2))


def _upsample(**attributes: str) -> Rule:
  def rule(graph: Graph, eqn: Eqn, inputs: Sequence[Value]) -> str:
    scales = graph.store(np.array([1, 1, 2, 2], np.float32))
    return graph.add('Resize', inputs[0], '', scales, **attributes)

  return rule


PRIMITIVES: dict[str, Rule] = {
  'add': _elementwise('Add'),
  'add_any': _elementwise('Add'),
  'broadcast_in_dim': _broadcast,
  'concatenate': _concatenate,
  'conv_general_dilated': _conv,
  'convert_element_type': _convert,
  'div': _elementwise('Div'),
  'exp': _elementwise('Exp'),
  'gather': _gather,
  'gt': _elementwise('Greater'),
  'logistic': _elementwise('Sigmoid'),
  'max': _elementwise('Max'),
  'min': _elementwise('Min'),
  'mul': _elementwise('Mul'),
  'reduce_max': _reduce('ReduceMax'),
  'reduce_sum': _reduce('ReduceSum'),
  'select_n': _select,
  'stop_gradient': _same,
  'sub': _sub,
  'tanh': _elementwise('Tanh'),
}

LAYERS: dict[str, Rule] = {
  'max_pool': _max_pool,
  'relu': _elementwise('Relu'),
  'upsample_bilinear': _upsample(
    mode='linear', coordinate_transformation_mode='half_pixel'
  ),
  'upsample_nearest': _upsample(
    mode='nearest',
    coordinate_transformation_mode='asymmetric',
    nearest_mode='floor',
  ),
}
