"""Makes warnings errors: Pillow must not warn about what the tests write."""

import warnings

import pytest


@pytest.fixture(autouse=True)
def no_warnings():
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    yield
