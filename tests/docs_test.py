"""The pages: their links lead somewhere, and their code runs."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

import inpaint_jax

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'WORKSPACE.md', *ROOT.glob('docs/*.md')]


def _snippets(page):
  text = (ROOT / page).read_text()
  return re.findall(r'```python\n(.*?)```', text, re.DOTALL)


def _anchors(page):
  """Returns the anchors of a page's headings, as GitHub names them."""
  headings = re.findall(r'^#+ (.*)$', page.read_text(), re.MULTILINE)
  kept = (re.sub(r'[^\w\- ]', '', x.lower()) for x in headings)
  return {x.replace(' ', '-') for x in kept}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
  for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
    if '://' in link:
      continue
    name, _, anchor = link.partition('#')
    target = (page.parent / name).resolve() if name else page
    assert target.exists(), link
    assert not anchor or anchor in _anchors(target), link


def test_a_command_with_a_package_of_ones_own(tmp_path):
  (snippet,) = (x for x in _snippets('docs/extending.md') if 'start' in x)
  (tmp_path / 'ours.py').write_text("print('imported')")
  (tmp_path / 'fill.py').write_text(snippet)
  command = [sys.executable, 'fill.py', '--version']
  env = {**os.environ, 'PYTHONPATH': str(ROOT)}
  printed = subprocess.check_output(command, cwd=tmp_path, env=env, text=True)
  assert printed == f'imported\ninpaint-jax {inpaint_jax.__version__}\n'


def test_photos_in_code_of_ones_own(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  pixels = np.random.default_rng(0).integers(0, 256, (60, 200, 3), np.uint8)
  mask = np.zeros((60, 200), bool)
  mask[20:40, 30:60] = True
  Image.fromarray(pixels).save('photo.jpg')
  Image.fromarray(mask).save('mask.png')
  found = {'image': pixels, 'mask': mask}
  (readme,) = _snippets('README.md')
  exec(readme, found)
  assert (found['result'][~mask] == pixels[~mask]).all()
  for snippet in _snippets('docs/filling.md')[:2]:
    exec(snippet, found)
  assert found['drawn'].dtype == np.uint8
  assert Image.open('out.jpg').size == (200, 60)


@pytest.mark.slow
def test_a_model_in_code_of_ones_own():
  (snippet,) = (x for x in _snippets('docs/extending.md') if 'zoo' in x)
  found = {}
  exec(snippet, found)
  assert found['filled'].shape == (2, 64, 64, 3)
  assert set(found['gradients']) == set(found['params'])
