"""The embedded engine: a small model on any CPU."""
