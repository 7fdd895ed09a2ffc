"""The frame interpolator: trained from scratch (`train`), on new footage (`retrain`), held beside others: `compare`."""
