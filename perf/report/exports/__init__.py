"""A run in the formats of other tools: CSV, OpenMetrics, github-action-benchmark's JSON, and its JSON Schema."""
