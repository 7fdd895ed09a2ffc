"""Sentinel Edge: watches the frames behind a camera model and says PASS or FAIL, and why."""

import os

__version__ = "0.1.0"

MAX_PIXELS = 2**25
"""The largest picture that is decoded: 33.5 megapixels, just above 8K UHD (7680 x 4320)."""

# OpenCV reads these once, when it is first imported, so they are set before any module of ours can import it: the
# pixel limit is then enforced from a picture's header, before a byte of it is decoded, and damaged files are
# reported by us instead of by the libraries on standard error.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

# ONNX Runtime's official builds report usage to their maker unless told not to before they are imported. A monitor
# of private footage tells nobody anything.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
