"""Every field of a run, with its meaning, its default and its alternatives.

The other files of this folder start from here and change a few fields. Any
field can also be changed on the command line, as in
--config.optimizer.name=sgd; an unknown field or a value of another type is an
error. Runs that were made before a field was added have its default.
"""

import ml_collections


def get_config(preset: str = '') -> ml_collections.ConfigDict:
  """Returns all fields.

  Args:
    preset: '' trains on synthetic landscapes, for a few minutes on two CPU
      cores; 'landscapes' is the reference recipe for photographs, which
      --config.data.source=DIR names.
  """
  config = ml_collections.ConfigDict()

  # Seed of initial weights, order of images, augmentation and training masks.
  config.seed = 0
  # Seed of validation and test masks, the same in all runs so that all are
  # measured on the same holes.
  config.eval_seed = 0
  # A name in losses.LOSSES: mse, l1, poisson_nll, kl_div, cross_entropy.
  config.loss = 'mse'
  # Weight of a hole's pixels in the loss; known pixels have weight 1. A larger
  # weight makes a model spend less capacity on copying known pixels.
  config.hole_weight = 1.0
  # A further factor for pixels within 4 of the hole's boundary, on both sides.
  config.boundary_weight = 1.0
  # What training starts from: a model of the zoo, such as unet-landscapes, or
  # the folder of a run with the same model or with a part of it (a UNet for an
  # attention UNet); '' = weights drawn from the seed.
  config.init_from = ''
  # Images per step, over all devices together.
  config.batch_size = 8
  # Number of parts of a batch, computed one after the other, for batches that
  # do not fit into memory. The update is the same as without parts, except for
  # batch normalisation, which sees one part at a time, and for a discriminator,
  # whose estimates of spectral norms are updated by each part.
  config.accumulate_steps = 1
  config.num_epochs = 3
  # Metric that selects the best epoch: val/loss, val/lpips (the composites'
  # LPIPS by AlexNet, which validation then computes), or another column of
  # metrics.csv that begins with val/.
  config.best_metric = 'val/loss'
  # Stop after so many epochs without a better best_metric; 0 = never.
  config.early_stopping_patience = 3
  # Decay, such as 0.999, of the running mean of parameters and batch statistics
  # that is validated, kept as best and used for inference; at step s it is at
  # most (1 + s) / (10 + s). 0 = use the parameters themselves.
  config.ema_decay = 0.0
  # Steps between two rows of train metrics; the first step always has one.
  config.log_every_steps = 20
  # Steps between two checkpoints within an epoch; 0 = only at its end.
  config.checkpoint_every_steps = 0
  # Images in the sample grid that each epoch writes; 0 = no grids.
  config.num_samples = 8

  config.data = ml_collections.ConfigDict()
  # synthetic, photo_crops, or the name of any tensorflow-datasets image
  # dataset, such as tf_flowers.
  config.data.dataset = 'synthetic'
  # photo_crops only: the folder of photographs; its subfolders are searched,
  # too.
  config.data.source = ''
  # photo_crops only, what decides on the split of a photo: content, what it
  # shows; or folders, those below source named train, val and test.
  config.data.split = 'content'
  # Where built datasets are kept; '' = the user's cache folder, see
  # docs/training.md.
  config.data.data_dir = ''
  # Side of the square images in pixels: 32, 64, 128, 256 or 512.
  config.data.image_size = 64
  # Images of each split: the first ones of a fixed order, or all if there are
  # fewer. They do not change which split a photo is in.
  config.data.num_train = 768
  config.data.num_val = 128
  config.data.num_test = 384
  # Augmentation of training images: left-right flip with probability 1/2,
  # rotation by 0, 90, 180 or 270 degrees with probability 1/4 each.
  config.data.flip = True
  config.data.rotate = True
  # Threads that read and decode images ahead of the step.
  config.data.num_threads = 4
  # Where images are kept after they are read: device (validation images: host),
  # host, none, or auto, the first of these that has room. Batches are the same
  # in every case.
  config.data.cache = 'auto'

  config.masks = ml_collections.ConfigDict()
  # A name in masks.MASKS: stamps, strokes, box, border, mixture; or files.
  config.masks.kind = 'stamps'
  # files only: the folder of mask files, square, white where the hole is; and a
  # digest of them, which each start computes.
  config.masks.source = ''
  config.masks.digest = ''
  # For strokes and mixture only: width and length of the strokes: thin, medium,
  # thick. The other kinds do not read it.
  config.masks.strokes = 'medium'

  config.model = ml_collections.ConfigDict()
  # A name in models.MODELS: unet, attention_unet, encoder_decoder.
  config.model.name = 'unet'
  # Channels of the three levels, from the full resolution down.
  config.model.features = (64, 128, 256)
  # What a model starts from: none, black holes; or harmonic, holes filled with
  # the smoothest surface that meets the known pixels, to which the model learns
  # a change that starts at zero.
  config.model.base = 'none'
  # Type of activations, float32 or bfloat16; parameters stay float32.
  config.model.dtype = 'float32'
  # How to convolve: xla; winograd, with fewer multiplications but a longer
  # compilation; or auto, winograd on one CPU device, where it is faster, else
  # xla. All give the same numbers up to rounding.
  config.model.conv = 'auto'

  config.objectives = ml_collections.ConfigDict()
  # Weights of objectives that are added to the pixel loss, by the names in
  # objectives.OBJECTIVES; 0 = off.
  # Distance of deep features (LPIPS), and of their Gram matrices.
  config.objectives.perceptual = 0.0
  config.objectives.style = 0.0
  # How well a discriminator sees the hole, and the distance of its features.
  # Both need a discriminator, which the section discriminator describes.
  config.objectives.adversarial = 0.0
  config.objectives.feature_matching = 0.0
  # hinge or nonsaturating; use r1 with the latter.
  config.objectives.adversarial_loss = 'hinge'
  # Weight of the R1 penalty in the discriminator's loss: half the squared
  # gradient of its scores at true images. 0 = off.
  config.objectives.r1 = 0.0
  # Nets of the features: alexnet, vgg16 (takes ten times as long), or both.
  config.objectives.features = 'alexnet'
  # What objectives judge: composite, known pixels with the model's image in the
  # hole, or output, the model's whole image.
  config.objectives.image = 'composite'

  config.discriminator = ml_collections.ConfigDict()
  # A name in discriminators.DISCRIMINATORS: patch, global_local, projected.
  config.discriminator.name = 'patch'
  # Channels of the layers, each of which halves height and width; of projected,
  # channels of its nets.
  config.discriminator.features = (64, 128, 256, 512)
  config.discriminator.optimizer = _optimizer()
  config.discriminator.optimizer.learning_rate = 4e-4

  config.optimizer = _optimizer()

  config.profile = ml_collections.ConfigDict()
  # Steps to trace with jax.profiler, into WORKDIR/profile; 0 = none.
  config.profile.num_steps = 0
  # Steps of each start to skip before the trace; the first ones compile.
  config.profile.skip_steps = 10

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


def _optimizer() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  # A name in optimizers.OPTIMIZERS: adam, sgd, rmsprop, adagrad.
  config.name = 'adam'
  config.learning_rate = 1e-3
  # For sgd and rmsprop only.
  config.momentum = 0.0
  # constant, or cosine: from learning_rate down to 0 after the last step.
  config.schedule = 'constant'
  # Steps over which the learning rate first rises linearly from 0; cosine only.
  config.warmup_steps = 0
  # Largest norm of the whole gradient; 0 = no clipping.
  config.clip_norm = 0.0
  # L2 penalty added to the gradient, as weight_decay of PyTorch's optimizers.
  config.weight_decay = 0.0
  return config
