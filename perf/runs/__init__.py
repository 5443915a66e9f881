"""Stored runs: their format, the folders that hold them, and how one is judged by another."""
