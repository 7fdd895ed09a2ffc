"""The workshops: each turns a Keras network into the ONNX file and card that the runtime reads.

TensorFlow lives here and only here. The runtime never imports from this package.
"""

import os
from pathlib import Path

# Read by TensorFlow when it is first imported: no banners on stderr, and no kernels chosen by CPU model.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

ROOT = Path(__file__).parent.parent
"""The checkout: what the workshops read and write by default lies in it."""
