"""What happens to a batch of training images, on the device, each time they are seen."""
