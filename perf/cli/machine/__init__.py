"""Subcommands about the machine: its state, its settings and its limits."""
