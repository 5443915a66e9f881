"""Explaining a case by its name: its stacks from this checkout or from stored runs, and `mxperf explain`."""
