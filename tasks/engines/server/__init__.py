"""A server that a run starts on this machine, drives and stops."""
