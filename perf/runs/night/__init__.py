"""A night: one run in shards, possibly on several machines of a class, joined and judged as a whole."""
