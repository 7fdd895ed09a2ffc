"""Cameras that fail on purpose."""
