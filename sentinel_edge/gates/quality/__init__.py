"""Has the picture itself changed?"""
