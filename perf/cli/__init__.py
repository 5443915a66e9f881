"""The command mxperf: work with machines and stored runs outside of pytest."""
