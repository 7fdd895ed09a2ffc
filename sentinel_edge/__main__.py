"""`python -m sentinel_edge` is the same as `sentinel-edge`."""

from sentinel_edge.cli import main

main()
