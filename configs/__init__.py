"""What to run: the typed form of an experiment and the presets that ship with it."""
