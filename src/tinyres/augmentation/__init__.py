"""Online augmentation: changes to a batch of training images, on the device, each time it is seen."""
