"""From files to samples and windows: what is found, decoded, sampled and recorded."""
