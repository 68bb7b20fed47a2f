"""Training: the loop, its steps, batches, evaluation, logs."""
