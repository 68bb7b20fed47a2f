r"""Releases a trained model as one file that anyone can use, and a model card.

  inpaint-jax-train --mode=evaluate --workdir=runs/x
  inpaint-jax-release --workdir=runs/x --name=unet-landscapes \
    --data='What it was trained on.' --license='MIT'

writes NAME.safetensors, NAME.md and, if the run drew samples in the epoch of
the checkpoint, NAME.jpg, and updates SHA256SUMS: all in the folder of the
models that come with the package, or in --output=DIR.
"""

from absl import flags

from inpaint_jax.system import command_line

_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'Folder of the training run.',
  # Tests import several commands into one process.
  allow_override=True,
)
_NAME = flags.DEFINE_string('name', None, 'Of the model: unet-landscapes.')
_OUTPUT = flags.DEFINE_string(
  'output', '', "Folder to write to; '' = that of the package's models."
)
_DATA = flags.DEFINE_string(
  'data', '', 'What the model was trained on, for the card: Markdown.'
)
_LICENSE = flags.DEFINE_string(
  'license', '', 'Terms under which others may use the file: Markdown.'
)
_NOTES = flags.DEFINE_string(
  'notes', '', 'More on the training, such as machine and time.'
)


def main(argv: list[str]) -> None:
  """Releases the run that the flags name."""
  command_line.check_flags(
    argv, workdir='runs/x', name='unet-landscapes', data='TEXT', license='MIT'
  )
  from inpaint_jax.release import publishing

  publishing.publish(
    str(_WORKDIR.value),
    str(_NAME.value),
    output=_OUTPUT.value,
    data=_DATA.value,
    license=_LICENSE.value,
    notes=_NOTES.value,
  )
