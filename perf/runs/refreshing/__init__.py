"""Refreshing a baseline: building it from sessions, and how far it moved from the anchor."""
