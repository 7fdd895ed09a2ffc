"""The gates that decide."""
