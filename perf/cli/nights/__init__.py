"""The subcommands of nightly runs."""
