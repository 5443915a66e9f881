"""Bisecting an ordered list of wheels: which one is the first that is slower in a case."""
