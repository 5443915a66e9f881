"""Hands pytest the plugin."""

# In the order of their imports: pytest cannot rewrite the assertions of a module that is imported already.
pytest_plugins = [
    "perf.plugin.collection",
    "perf.plugin.terminal",
    "perf.plugin.hooks",
    "perf.plugin.fixtures",
    "perf.cnn.names",
    "perf.rnn.names",
]
