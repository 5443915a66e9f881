"""Stored runs: their format, where they are kept, and what two of them say about each other."""
