"""Pillow has nothing to complain about in what these tests write."""

import warnings

import pytest


@pytest.fixture(autouse=True)
def no_warnings():
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    yield
