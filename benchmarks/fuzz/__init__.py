"""A fuzzer over everything of the suite that reads a file or a pipe."""
