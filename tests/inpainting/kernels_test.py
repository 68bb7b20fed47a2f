"""kernels.py: loops in several threads."""

import pytest

from inpaint_jax.inpainting import kernels


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
