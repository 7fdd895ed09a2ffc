"""Files on a disk that may be full, read with limits and written whole or not at all."""
