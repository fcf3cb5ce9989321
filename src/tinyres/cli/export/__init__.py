"""`tinyres export`: a trained model as one ONNX file, verified against the network that it was made from."""
