"""The HTML report: one file that needs no network, and the same rows as JSON."""
