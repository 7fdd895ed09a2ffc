"""Has what is seen changed?"""
