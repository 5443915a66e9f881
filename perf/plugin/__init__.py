"""Where pytest and pytest-benchmark meet the rest of the suite: options, fixtures and hooks."""
