"""What GitHub shows of a run: Markdown in step summaries and comments, and annotations."""
