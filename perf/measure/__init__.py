"""Plans in, samples out: fresh, pinned and interleaved worker processes. Knows neither networks nor pytest."""
