"""Changed copies of the training images, made once and kept on disk, and a preview of all augmentation."""
