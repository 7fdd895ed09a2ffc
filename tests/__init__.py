"""Tests and the benchmarks."""
