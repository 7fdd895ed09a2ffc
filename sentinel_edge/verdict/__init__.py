"""What a check found, and how it is told to people, scripts and programs."""
