"""Which folders are walked through."""

from inpaint_jax.photos import mask_folder


def test_masks_are_searched_as_photos_are(tmp_path):
  """Not in hidden folders and those of runs, and in each folder once."""
  for place in ('a.png', 'deep/b.PNG', '.hidden/c.png', 'run/samples/d.png'):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  (tmp_path / '.e.png').touch()
  for name in ('config.json', 'metrics.csv'):
    (tmp_path / 'run' / name).touch()
  (tmp_path / 'deep' / 'loop').symlink_to(tmp_path, target_is_directory=True)
  found = mask_folder.list_files(str(tmp_path))
  assert found == (tmp_path / 'a.png', tmp_path / 'deep/b.PNG')
