"""The report people look at: one HTML file that needs no network, and the same as data."""
