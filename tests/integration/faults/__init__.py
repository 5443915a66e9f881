"""Sessions that something real happens to: signals, and a machine that fails."""
