"""Does the watched model do worse?"""
