"""The report page: one HTML file that shows a run and its verdicts."""
