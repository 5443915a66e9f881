"""Rank programs that train on the digits in a wrong way; what they find must not pass."""
