"""Plans in, samples out: fresh, pinned, interleaved worker processes. Knows neither CNNs nor pytest."""
