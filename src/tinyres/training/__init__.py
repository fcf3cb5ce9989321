"""Training: batches on the device, the loop, its checkpoints and what it shows."""

ROOMS = ("augmentation", "common", "convolutions", "models", "training")
"""The packages that decide the result of a training: `dvc.yaml` lists them, and a checkpoint's key hashes them."""

RECIPE = (
    "seed",
    "lr",
    "batch_size",
    "weight_decay",
    "augment.online",
    "optimizer",
    "scheduler",
    "loss",
    "early_stopping",
    "runtime",
)
"""The parameters that every training reads, besides its model's own and the number of epochs."""
