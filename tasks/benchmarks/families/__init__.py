"""Seeded problem generators, a module a family."""
