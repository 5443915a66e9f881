"""The command mxperf: what is done with machines and stored runs outside of pytest."""
