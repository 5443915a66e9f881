"""Tests on a machine with two NUMA nodes: a guest in QEMU's software emulation, over this machine's own files."""
