"""Was this seen before?"""
