"""A jax.profiler trace of a few training steps."""

import gzip
import json

import jax
import jax.numpy as jnp
import ml_collections
import pytest

from inpaint_jax.training import profiler


def _config(num_steps, skip_steps=1):
  return ml_collections.ConfigDict(
    {'num_steps': num_steps, 'skip_steps': skip_steps}
  )


def _run(created, steps):
  double = jax.jit(lambda x: 2 * x)
  for i in range(steps):
    created.begin_step()
    with jax.profiler.TraceAnnotation(f'step {i}'):
      outputs = double(jnp.float32(i))
    created.end_step(outputs)
  created.close()


def _steps_traced(folder):
  (path,) = folder.rglob('perfetto_trace.json.gz')
  assert list(folder.rglob('*.xplane.pb'))
  events = json.loads(gzip.decompress(path.read_bytes()))['traceEvents']
  return {x['name'] for x in events if x.get('name', '').startswith('step ')}


def test_the_named_steps_are_traced(tmp_path):
  _run(profiler.Profiler(_config(2), tmp_path), 5)
  assert _steps_traced(tmp_path) == {'step 1', 'step 2'}


def test_a_training_that_ends_early_leaves_a_trace(tmp_path):
  _run(profiler.Profiler(_config(9), tmp_path), 3)
  assert _steps_traced(tmp_path) == {'step 1', 'step 2'}


@pytest.mark.parametrize(
  ('num_steps', 'steps', 'is_told'),
  [(1, 3, True), (0, 3, False), (1, 0, False)],
)
def test_a_trace_that_never_began_is_told(
  tmp_path, capsys, num_steps, steps, is_told
):
  _run(profiler.Profiler(_config(num_steps, skip_steps=3), tmp_path), steps)
  assert ('profile.skip_steps=3' in capsys.readouterr().out) == is_told
  assert not list(tmp_path.iterdir())


def test_nothing_is_traced_by_default(tmp_path):
  _run(profiler.Profiler(_config(0, skip_steps=0), tmp_path), 3)
  assert not list(tmp_path.iterdir())
