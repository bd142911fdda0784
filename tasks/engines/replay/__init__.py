"""Recorded outputs in place of a model."""
