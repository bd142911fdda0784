"""Turns existing outputs into problems, traces and a run: logs of other evaluation tools, plain rows."""
