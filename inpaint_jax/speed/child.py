"""One case in one mode, in a process of its own: its memory, and its times.

  python -m inpaint_jax.speed.child REQUEST    (processes.measure starts it)

REQUEST and the last line of the output are JSON.
"""

import json
import sys

import ml_collections

from inpaint_jax.speed import cases, memory, timing


def main(argv: list[str]) -> None:
  """Measures what argv[1] asks for, and prints the answer."""
  request = json.loads(argv[1])
  mode = request['mode']
  case = cases.Case(
    request['kind'],
    ml_collections.ConfigDict(request['config']),
    request['size'],
    request['batch'],
  )
  if mode.startswith('PyTorch'):
    from inpaint_jax.speed import torch_cases

    torch_cases.prepare(request['num_threads'])
  work = cases.create(case, mode, request['onnx_path'])
  before = memory.resident()
  for _ in range(timing.WARM_CALLS):
    work.call()
  times = timing.interleave(
    {mode: work.call}, seconds=request['seconds'], rounds=request['rounds']
  )
  after = memory.peak()
  # On an accelerator its memory is what runs out.
  library = cases.module(mode)
  on_device = library.peak_bytes() if library else None
  if on_device is not None:
    before, after = 0, on_device
  answer = {
    'seconds': times[mode].seconds,
    'before_bytes': before,
    'peak_bytes': after,
    'flops': work.count_flops() if request['count_flops'] else None,
  }
  print(json.dumps(answer))


if __name__ == '__main__':
  main(sys.argv)
