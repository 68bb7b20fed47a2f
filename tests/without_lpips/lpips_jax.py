"""Hides the package of LPIPS from a process; see `no_lpips` in conftest.py."""

raise ImportError('hidden by the tests')
