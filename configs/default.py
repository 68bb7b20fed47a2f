"""Every field of a run, once, with its meaning and its alternatives.

The other files of this folder start from here and change a few lines. Any field
can also be changed on the command line, as in --config.optimizer.name=sgd; an
unknown field or a value of another type stops at once. A run that was made
before a field was added is taken to have its value of here.
"""

import ml_collections


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns all fields.

  Args:
    preset: '' trains on synthetic landscapes, sized for a few minutes on two
      CPU cores; 'landscapes' is the reference recipe on photographs, which are
      named with --config.data.source=DIR.
  """
  config = ml_collections.ConfigDict()

  # Initial weights, order of the images, augmentation and training masks.
  config.seed = 0
  # Validation and test masks, so that all runs are measured on the same holes.
  config.eval_seed = 0
  # A name in losses.LOSSES: mse, l1, poisson_nll, kl_div, cross_entropy.
  config.loss = 'mse'
  # Weight of a hole's pixels in the loss; that of known pixels is 1. A larger
  # weight makes a model spend less capacity on copying known pixels.
  config.hole_weight = 1.0
  # A further weight of pixels within 4 of the hole's boundary, on both sides.
  config.boundary_weight = 1.0
  # What training starts from: a model of the zoo, such as unet-landscapes, or
  # the folder of a run with the same model; '' = weights drawn from the seed.
  config.init_from = ''
  # Images a step, over all devices together.
  config.batch_size = 8
  # Parts of a batch that are computed one after the other, for batches that do
  # not fit into memory. The update is that of the whole batch, except for batch
  # normalisation, which sees the parts.
  config.accumulate_steps = 1
  config.num_epochs = 3
  # Which epoch is the best: val/loss, val/lpips (the composites' LPIPS by
  # AlexNet, which is then computed in validation), or another column of
  # metrics.csv that begins with val/.
  config.best_metric = 'val/loss'
  # Epochs without a better best_metric after which training stops; 0 = never.
  config.early_stopping_patience = 3
  # Decay of the running mean of parameters and batch statistics that is
  # validated, kept as best and used for inference, such as 0.999; at step s it
  # is at most (1 + s) / (10 + s). 0 = use the parameters themselves.
  config.ema_decay = 0.0
  # Steps between two lines of train metrics; the first step always has one.
  config.log_every_steps = 20
  # Steps between two checkpoints within an epoch; 0 = only as each epoch ends.
  config.checkpoint_every_steps = 0
  # Images on the sample grid that each epoch writes; 0 = no grids.
  config.num_samples = 8

  config.data = _data()
  config.masks = _masks()
  config.model = _model()
  config.objectives = _objectives()
  config.discriminator = _discriminator()
  config.optimizer = _optimizer()
  config.profile = _profile()

  if preset == 'landscapes':
    config.batch_size = 32
    config.num_epochs = 20
    config.data.dataset = 'photo_crops'
    config.data.image_size = 256
    config.data.num_train = 10_000
    config.data.num_val = 2_000
    config.data.num_test = 10_000
  elif preset:
    raise ValueError(f'preset {preset!r} is unknown; choose: landscapes')
  return config


def _data() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  # synthetic, photo_crops, or the name of any tensorflow-datasets image
  # dataset, such as tf_flowers.
  config.dataset = 'synthetic'
  # photo_crops only: the folder of photographs, searched with all below it.
  config.source = ''
  # Where built datasets are kept; '' = the user's cache folder, see
  # docs/training.md.
  config.data_dir = ''
  # Side of the square images in pixels: 32, 64, 128 or 256.
  config.image_size = 64
  # Images of each split: the first ones of a fixed order. Which split a photo
  # is in does not depend on them. A split with fewer gives all it has.
  config.num_train = 768
  config.num_val = 128
  config.num_test = 384
  # Augmentation of training images: left-right flip with probability 1/2,
  # rotation by 0, 90, 180 or 270 degrees with probability 1/4 each.
  config.flip = True
  config.rotate = True
  # Threads that read and decode images ahead of the step.
  config.num_threads = 4
  # Where images are kept after they were read: device, host, none, or auto for
  # the first of these that has room. Batches are the same in every case.
  config.cache = 'auto'
  return config


def _masks() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  # A name in masks.MASKS: stamps, strokes, box, border, mixture.
  config.kind = 'stamps'
  # Width and length of the strokes: thin, medium, thick.
  config.strokes = 'medium'
  return config


def _model() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  # A name in models.MODELS: unet, attention_unet, encoder_decoder.
  config.name = 'unet'
  # Channels of the three levels, from the full resolution down.
  config.features = (64, 128, 256)
  # What the outputs are relative to: none, holes are black; or harmonic, holes
  # are first filled with the smoothest surface that meets the known pixels, and
  # the model learns a change to it, which starts at zero.
  config.base = 'none'
  # Type of activations, float32 or bfloat16; parameters stay float32.
  config.dtype = 'float32'
  # How to convolve: xla, winograd, which takes fewer multiplications and longer
  # to compile, or auto: winograd on one CPU device, where it is faster, else
  # xla. All give the same numbers, to rounding.
  config.conv = 'auto'
  return config


def _objectives() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  # Weights of what a model is trained on beside the pixel loss: the names in
  # objectives.OBJECTIVES; 0 = off.
  # Distance of deep features (LPIPS), and of their Gram matrices.
  config.perceptual = 0.0
  config.style = 0.0
  # How well a discriminator sees the hole; distance of its features. Each of
  # them needs the section discriminator.
  config.adversarial = 0.0
  config.feature_matching = 0.0
  # hinge, or nonsaturating, best with r1: the weight of the squared gradient of
  # the discriminator's scores of true images, in its own loss; 0 = off.
  config.adversarial_loss = 'hinge'
  config.r1 = 0.0
  # Whose features: alexnet, vgg16, which takes ten times as long, or both.
  config.features = 'alexnet'
  # What objectives see: composite, known pixels with the model's image in the
  # hole, or output, the model's whole image.
  config.image = 'composite'
  return config


def _discriminator() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  # A name in discriminators.DISCRIMINATORS: patch, global_local.
  config.name = 'patch'
  # Channels of the layers; each halves height and width.
  config.features = (64, 128, 256, 512)
  config.optimizer = _optimizer()
  config.optimizer.learning_rate = 4e-4
  return config


def _optimizer() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  # A name in optimizers.OPTIMIZERS: adam, sgd, rmsprop, adagrad.
  config.name = 'adam'
  config.learning_rate = 1e-3
  # sgd and rmsprop only.
  config.momentum = 0.0
  # constant, or cosine: from learning_rate down to 0 at the last step.
  config.schedule = 'constant'
  # Steps over which the learning rate first rises linearly from 0; cosine only.
  config.warmup_steps = 0
  # Largest norm of the whole gradient; 0 = no clipping.
  config.clip_norm = 0.0
  # L2 penalty added to the gradient, as weight_decay of PyTorch's optimizers.
  config.weight_decay = 0.0
  return config


def _profile() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  # Steps to trace with jax.profiler, into WORKDIR/profile; 0 = none.
  config.num_steps = 0
  # Steps of each start before the trace; the first ones compile.
  config.skip_steps = 10
  return config
