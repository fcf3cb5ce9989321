"""Training: batches on the device, the loop, its checkpoints and what it shows."""
