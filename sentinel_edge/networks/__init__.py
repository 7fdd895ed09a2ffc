"""ONNX files and their cards: the embedder, and the interpolator that is watched."""
