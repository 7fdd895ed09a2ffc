"""Fuzzing: every kind of file that is read, mutated, against the command line. `make fuzz MINUTES=n` runs it."""
