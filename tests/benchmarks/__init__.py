"""The benchmarks: how fast and how small the monitor is, as ratios measured side by side in one run.

`python -m tests.benchmarks` (or `make bench`) runs them all, `python -m tests.benchmarks ks check` those named. Each
prints a table and writes it to `bench_output/` as Markdown and JSON. They are measurements, not tests: a busy machine
changes the figures and fails nothing.
"""
