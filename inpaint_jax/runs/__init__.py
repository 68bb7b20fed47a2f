"""The folder of a run: config, checkpoints, the trained model."""
