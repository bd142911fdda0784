"""What the small models are taught to write, a module a family of problems."""
