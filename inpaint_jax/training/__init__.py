"""Training: the loop, its steps, batches, evaluation and logs."""
