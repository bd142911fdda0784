"""Outputs that exist already become problems, traces and a run: logs of other evaluation tools, plain rows."""
