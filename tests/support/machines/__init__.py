"""Machines that we do not have."""
