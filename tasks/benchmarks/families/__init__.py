"""Seeded problem generators, one module per family."""
