"""Hands pytest the plugin."""

pytest_plugins = ["perf.plugin.hooks", "perf.plugin.fixtures"]
