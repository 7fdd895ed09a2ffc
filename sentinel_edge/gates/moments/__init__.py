"""Is any part of the window unlike all that is known?"""
