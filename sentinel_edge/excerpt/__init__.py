"""What is kept of footage, without loss."""
