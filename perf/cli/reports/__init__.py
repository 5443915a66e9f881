"""The subcommands of reports of a run."""
