"""What the reference study reported, and why ours may differ.

From the README and the public code of istepka/landscape-inpainting: 256x256
crops, 10,000 to train with, 20 epochs in batches of 32 at a learning rate of
1e-3. Its numbers are the L1 of the whole output on the test split, of one run
each.
"""

# Why all of its numbers may differ from ours.
EVERYWHERE = (
  'Not comparable with the reference digit for digit: it tests on crops of '
  'photos that it trained on other crops of, and draws new masks in every '
  'test; here each photo is in one split, and each test image has one mask.'
)

# For each question the L1 of each cell, as it is written there and the best
# first, and why ours may differ.
REPORTED = {
  'loss': (
    {
      'l1': '0.0143',
      'poisson_nll': '0.0153',
      'mse': '0.0154',
      'cross_entropy': '0.0154',
      'kl_div': '0.0165',
    },
    'Its loss flag had no effect on training: all five of its runs minimised '
    'the squared error and differ by chance. Here each loss is minimised, '
    'through the link that makes it well posed.',
  ),
  'optimizer': (
    {
      'adam': '0.0151',
      'adagrad': '0.0212',
      'sgd': '0.1015',
      'rmsprop': 'worse than SGD, left out',
    },
    'It ran all of them at 0.001, and SGD without momentum; here each runs at '
    'the best rate of a sweep.',
  ),
  'model': (
    {'unet': '0.0156', 'encoder_decoder': '0.0514'},
    'This error includes known pixels, which the encoder-decoder cannot copy: '
    'it has no connections past its bottleneck.',
  ),
}
