"""Known defects by release: every example is run on every release, and the answers are kept."""
