"""The product at work on the sample camera: `make demo` shows it fail damaged footage, `make heal` heal itself."""
