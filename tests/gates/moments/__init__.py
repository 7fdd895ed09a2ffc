"""The gate `moments`."""
