r"""Writes a trained model as one file for other programs.

  inpaint-jax-export --model=unet-landscapes --format=onnx \
    --output=unet.onnx

The file takes any number of images, whose height and width are multiples of 8.
It is compared with the model in JAX before it is kept. ONNX needs
pip install 'inpaint_jax[onnx]'; StableHLO needs nothing more.
"""

from collections.abc import Sequence

from absl import flags

from inpaint_jax.system import command_line, errors, user_paths

# Several commands share these names, and tests import them into one process.
_MODEL = flags.DEFINE_string(
  'model',
  None,
  'Name of a released model, folder of a training run, released file or its '
  'address; unet-landscapes unless given.',
  allow_override=True,
)
_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'The same as --model, for the folder of a training run.',
  allow_override=True,
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'File to write.', allow_override=True
)
_FORMAT = flags.DEFINE_string('format', 'onnx', 'onnx or stablehlo.')
_DTYPE = flags.DEFINE_string(
  'dtype',
  'float32',
  'In which the kernels are stored, float32 or float16; all is computed in '
  'float32.',
)


def main(argv: Sequence[str]) -> None:
  """Exports the model that the flags name."""
  command_line.check_flags(argv, output='x.onnx')
  if _MODEL.value and _WORKDIR.value:
    raise errors.UserError('found --model and --workdir; give one of them')
  from inpaint_jax.release import export, zoo

  path = user_paths.local(_OUTPUT.value or '', 'output')
  model = zoo.load(_MODEL.value or _WORKDIR.value or 'unet-landscapes')
  difference, rounding = export.export(model, path, _FORMAT.value, _DTYPE.value)
  print(
    f'wrote {path}, {path.stat().st_size / 1e6:.2f} MB; it differs from the '
    f'model in JAX by at most {difference:.1g}'
  )
  if _DTYPE.value == 'float16':
    print(f'half precision changes images by at most {rounding:.1g}')
  usage = export.FORMATS[_FORMAT.value].usage.format(path=str(path))
  print(
    'Use it so, with image float32 [B, H, W, 3] and mask float32 [B, H, W, 1] '
    f'in [0, 1],\nB, H and W of your choice, H and W multiples of '
    f'{export.MULTIPLE}:\n\n  {usage}'
  )
