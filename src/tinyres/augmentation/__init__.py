"""Changes to training images: during training on the device (online), and as copies on disk (offline)."""
