"""The gate `replay`."""
