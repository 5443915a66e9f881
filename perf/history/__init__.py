"""History: one immutable file a run, and what changed over the nights."""
