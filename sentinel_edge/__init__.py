"""Sentinel Edge: watches the frames behind a camera model and says PASS or FAIL, and why."""

__version__ = "0.1.0"
