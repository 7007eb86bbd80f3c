"""The torch model: weights, export to ONNX, and running it as the reference. torch is imported late."""
