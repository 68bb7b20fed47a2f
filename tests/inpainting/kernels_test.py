"""kernels.py: loops in several threads."""

import gc
import importlib.util
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import numba
from numba.core import caching
import pytest

from inpaint_jax.inpainting import kernels


def test_compiles_where_no_folder_can_be_written(monkeypatch):
  monkeypatch.setattr(caching.CacheImpl, '_locator_classes', [])

  def double(x):
    return 2 * x

  assert kernels.kernel(double).py_func is double


def test_compiles_where_the_cache_is_damaged_or_full(monkeypatch, tmp_path):
  monkeypatch.setattr(numba.config, 'CACHE_DIR', str(tmp_path))

  def double(x):
    return 2 * x

  def hits():
    compiled = kernels.kernel(double)
    assert compiled(3) == 6
    return compiled.stats.cache_hits.total()

  assert [hits(), hits()] == [0, 1]
  for kind in ('nbi', 'nbc'):
    (file,) = tmp_path.rglob(f'*.{kind}')
    file.write_bytes(b'')
    assert [hits(), hits()] == [0, 1], kind

  def fail(*args):
    raise OSError(28, 'No space left on device')

  # The index is written, and names the file of before.
  (index,) = tmp_path.rglob('*.nbi')
  index.write_bytes(b'')
  with monkeypatch.context() as patch:
    patch.setattr(caching.IndexDataCacheFile, '_save_data', fail)
    assert kernels.kernel(double)(0.5) == 1.0
  assert kernels.kernel(double)(0.5) == 1.0

  file.unlink()
  monkeypatch.setattr(caching.IndexDataCacheFile, 'save', fail)
  assert [hits(), hits()] == [0, 0]


@pytest.mark.skipif(
  not hasattr(os, 'sched_setaffinity'), reason='needs a choice of cores'
)
def test_uses_only_the_cores_that_the_process_may_use():
  cores = os.sched_getaffinity(0)
  module = importlib.util.find_spec(kernels.__name__)
  copy = importlib.util.module_from_spec(module)
  os.sched_setaffinity(0, {min(cores)})
  try:
    module.loader.exec_module(copy)
  finally:
    os.sched_setaffinity(0, cores)
  assert copy.NUM_THREADS == 1


@pytest.mark.parametrize('threads', [1, 2, 5])
@pytest.mark.parametrize('count', [1, 31, 32, 33, 64, 90])
def test_bands_cover_all_once(monkeypatch, count, threads):
  monkeypatch.setattr(kernels, 'NUM_THREADS', threads)
  seen = []
  kernels.for_bands(count, lambda *band: seen.extend(range(*band)), 32)
  assert sorted(seen) == list(range(count))


def test_errors_come_through():
  def fail(first, last):
    raise ValueError(first)

  with pytest.raises(ValueError, match=r'\d'):
    kernels.for_bands(90, fail, 32)


def test_after_an_error_no_band_is_begun(monkeypatch):
  monkeypatch.setattr(kernels, 'NUM_THREADS', 2)
  begun, helps = [], threading.Event()
  caller = threading.get_ident()

  def work(first, last):
    begun.append(first)
    if threading.get_ident() == caller:
      assert helps.wait(30)
      raise KeyboardInterrupt
    helps.set()
    # Gives the caller time to end the work.
    time.sleep(0.05)

  with pytest.raises(KeyboardInterrupt):
    kernels.for_bands(90, work, 1)
  count = len(begun)
  time.sleep(0.2)
  assert len(begun) == count < 45


def test_what_runs_in_parallel_stays_in_its_thread(monkeypatch):
  monkeypatch.setattr(kernels, 'NUM_THREADS', 3)
  bands = []

  def work(thing):
    outer = threading.get_ident()

    def work_on_band(first, last):
      bands.append((outer, threading.get_ident()))
      # Gives another thread time to take the next band.
      time.sleep(0.01)

    kernels.for_bands(20, work_on_band, 1)

  kernels.for_each(range(2), work)
  assert len(bands) == 2 * 20
  assert all(outer == inner for outer, inner in bands)
  # Afterwards bands are shared again.
  met = threading.Barrier(3, timeout=30)
  kernels.for_bands(3, lambda first, last: met.wait(), 1)


@pytest.mark.parametrize('count', [1, 2])
def test_within_what_runs_in_parallel_nothing_else_does(monkeypatch, count):
  monkeypatch.setattr(kernels, 'NUM_THREADS', 3)
  bands = []

  def work(thing):
    outer = threading.get_ident()

    def work_on_band(first, last):
      bands.append((outer, threading.get_ident()))
      time.sleep(0.01)

    kernels.for_each(
      range(count), lambda _: kernels.for_bands(5, work_on_band, 1)
    )
    kernels.for_bands(5, work_on_band, 1)

  kernels.for_each(range(2), work)
  assert len(bands) == 2 * (5 * count + 5)
  assert all(outer == inner for outer, inner in bands)


def test_a_single_thing_has_all_threads(monkeypatch):
  monkeypatch.setattr(kernels, 'NUM_THREADS', 3)
  met = threading.Barrier(3, timeout=30)

  def work(thing):
    kernels.for_bands(3, lambda first, last: met.wait(), 1)

  kernels.for_each(['thing'], work)


def _run(code):
  """Returns what a program prints that imports the kernels, with 2 threads."""
  begin = """
    import gc, os, threading, time, weakref
    from inpaint_jax.inpainting import kernels
    kernels.NUM_THREADS = 2
  """
  program = textwrap.dedent(begin) + textwrap.dedent(code)
  ended = subprocess.run(
    [sys.executable, '-c', program],
    capture_output=True,
    text=True,
    timeout=100,
    check=True,
  )
  assert not ended.stderr
  return ended.stdout


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork')
def test_a_fork_has_threads_and_keeps_nothing():
  printed = _run("""
    class Work:
      met = threading.Barrier(2, timeout=10)

      def __call__(self, first, last):
        self.met.wait()

    kernels.for_bands(2, Work(), 1)
    # The other thread becomes idle.
    time.sleep(0.1)
    if process := os.fork():
      os.waitpid(process, 0)
    else:
      work = Work()
      kept = weakref.ref(work)
      try:
        kernels.for_bands(2, work, 1)
      except threading.BrokenBarrierError:
        print('no threads')
      del work
      for _ in range(100):
        gc.collect()
        if kept() is None:
          break
        time.sleep(0.01)
      print(kept() is None, flush=True)
      os._exit(0)
  """)
  assert printed == 'True\n'


def test_works_while_python_ends():
  printed = _run("""
    def work():
      threading.main_thread().join()
      time.sleep(0.1)
      kernels.for_bands(3, lambda first, last: print(first), 1)

    threading.Thread(target=work).start()
  """)
  assert printed == '0\n1\n2\n'


def test_works_where_no_thread_can_be_started(monkeypatch):
  monkeypatch.setattr(kernels, 'NUM_THREADS', 3)
  kernels._threads.cache_clear()

  def fail(thread):
    raise RuntimeError("can't start new thread")

  monkeypatch.setattr(threading.Thread, 'start', fail)
  seen = []

  def work(first, last):
    seen.append(first)

  kernels.for_bands(5, work, 1)
  assert seen == list(range(5))
  # What could not begin is not kept for later.
  kept = weakref.ref(work)
  del work
  gc.collect()
  assert kept() is None


def test_waits_for_all_where_threads_are_few(monkeypatch):
  """The only thread, started by another caller, begins what it finds queued."""
  monkeypatch.setattr(kernels, 'NUM_THREADS', 2)
  kernels._threads.cache_clear()
  caller, start = threading.get_ident(), threading.Thread.start
  begun, ends, helps = (threading.Event() for _ in range(3))

  def start_one(thread):
    if thread.name.startswith('ThreadPool') and begun.is_set():
      raise RuntimeError("can't start new thread")
    start(thread)

  monkeypatch.setattr(threading.Thread, 'start', start_one)

  def occupy(first, last):
    if threading.current_thread().name.startswith('ThreadPool'):
      begun.set()
      assert ends.wait(30)
    else:
      assert begun.wait(30)

  other = threading.Thread(target=kernels.for_bands, args=(2, occupy, 1))
  other.start()
  assert begun.wait(30)
  done = []

  def work(first, last):
    if threading.get_ident() == caller:
      ends.set()
      # Gives the other thread time to help.
      helps.wait(1)
    else:
      helps.set()
      time.sleep(0.2)
    done.append(first)

  kernels.for_bands(4, work, 1)
  assert sorted(done) == list(range(4))
  other.join()
  kernels._threads.cache_clear()
