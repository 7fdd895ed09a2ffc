"""What a verdict calls for."""
