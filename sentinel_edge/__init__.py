"""Sentinel Edge: watches the frames behind a camera model and says PASS or FAIL, and why."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentinel_edge.api import (
        Baseline,
        Description,
        SentinelError,
        Skipped,
        Status,
        Verdict,
        build_baseline,
        check,
        describe,
        extend_baseline,
        load_baseline,
        save_baseline,
    )

__version__ = "0.1.0"
__all__ = [
    "Baseline",
    "Description",
    "SentinelError",
    "Skipped",
    "Status",
    "Verdict",
    "__version__",
    "build_baseline",
    "check",
    "describe",
    "extend_baseline",
    "load_baseline",
    "save_baseline",
]
"""The library: see `sentinel_edge.api`. What is not named here is private, and may change."""

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


def __dir__() -> list[str]:
    """What there is to find."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """The library, loaded when it is first used: to import the package costs nothing."""
    if name in __all__:
        from sentinel_edge import api  # noqa: PLC0415  (see above; and it imports this package)

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
