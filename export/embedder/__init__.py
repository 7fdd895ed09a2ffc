"""The embedder: MobileNetV2, its Keras weights turned into an ONNX file and its card (`python -m export.embedder`)."""
