"""What a report says of a folder."""

from inpaint_jax.datasets import photo_report

COUNTS = {'train': 3, 'val': 1, 'test': 1}


def report_of(other_files):
  return photo_report.Report(
    photos_found=5,
    other_files=other_files,
    unreadable=[],
    near_duplicates=[],
    distinct=5,
    photos=COUNTS,
    crops=COUNTS,
    wanted=COUNTS,
    available=5,
  )


def test_photos_of_types_that_are_not_read_are_counted():
  advice = 'types that are not read: .cr2: 2, .svg: 1; save these as JPEG'
  report = report_of({'.cr2': 2, '.svg': 1, '.txt': 1})
  assert report.lines()[1] == 'other files: 4 (.cr2: 2, .svg: 1, .txt: 1)'
  assert report.lines()[2].startswith(f'  {advice}')
  assert advice in report.summary()
  report = report_of({'.txt': 1})
  assert 'not read' not in report.summary() + ''.join(report.lines())
