"""The numbers of the reference study, and why ours may differ.

From the README and the public code of istepka/landscape-inpainting: 256x256
crops, 10,000 to train with, 20 epochs in batches of 32 at a learning rate of
1e-3. `l1` is that of the whole output on the test split.
"""

from typing import NamedTuple

# Of all its runs.
LEARNING_RATE = 1e-3
# Side of the images, and their number in training and test.
PROTOCOL = (256, 10_000, 10_000)


REASONS = {
  'splits': (
    'its crops of one photo fall into several splits, so that it is tested on '
    'photos it has seen parts of; here splits are by photo'
  ),
  'masks': (
    'its test masks are drawn anew in every test; here each test image has '
    'one mask, the same in every run'
  ),
  'output': (
    'this is the whole raw output, known pixels included, which a user never '
    'sees; the tables above have the hole alone'
  ),
  'loss': (
    'its loss flag did not train: all five of its runs were trained with the '
    'squared error, and the rows differ by chance; here each loss trains, '
    'through the link that makes it well posed'
  ),
  'momentum': 'its SGD had no momentum; here it is run with and without',
  'rates': (
    "one learning rate for all is not each one's best; here each is swept, see "
    'above'
  ),
  'machine': 'another machine',
  'size': 'another size of images, another number of them, other steps',
}


class Number(NamedTuple):
  """A number of the reference."""

  # What it measures, and as it is written there.
  what: str
  theirs: str
  # Of the cell (see Cell.names), without the learning rate.
  name: str
  # Of results.csv.
  column: str
  # Why ours may differ: names in REASONS.
  why: str


# Of each error in the test.
_TEST = 'size splits masks output'
_UNET, _OTHER = 'model/unet', 'model/encoder_decoder'
_ONE = 'a 256x256 image on a CPU'
_TIME = 'inference_seconds'
NUMBERS = [
  Number(f'{what}, L1', theirs, name, 'test/l1', f'{_TEST} {why}')
  for what, theirs, name, why in (
    ('UNet', '0.0156', _UNET, ''),
    ('encoder-decoder', '0.0514', _OTHER, ''),
    ('Adam', '0.0151', 'optimizer/adam', 'rates'),
    ('Adagrad', '0.0212', 'optimizer/adagrad', 'rates'),
    ('SGD', '0.1015', 'optimizer/sgd', 'rates momentum'),
    ('RMSprop', 'worse than SGD, left out', 'optimizer/rmsprop', 'rates'),
    ('loss L1', '0.0143', 'loss/l1', 'loss'),
    ('loss Poisson NLL', '0.0153', 'loss/poisson_nll', 'loss'),
    ('loss MSE', '0.0154', 'loss/mse', 'loss'),
    ('loss cross-entropy', '0.0154', 'loss/cross_entropy', 'loss'),
    ('loss KL', '0.0165', 'loss/kl_div', 'loss'),
  )
] + [
  Number('UNet, parameters', '2.7 M', _UNET, 'parameters', ''),
  Number('encoder-decoder, parameters', '744 K', _OTHER, 'parameters', ''),
  Number(f'UNet, {_ONE}', '0.19 s', _UNET, _TIME, 'machine'),
  Number(f'encoder-decoder, {_ONE}', '0.12 s', _OTHER, _TIME, 'machine'),
  Number(
    'UNet, training',
    'about 6,000 s (RTX A5000)',
    _UNET,
    'seconds',
    'machine size',
  ),
]
