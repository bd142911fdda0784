"""How one step is done: explore, references, synthesize, grade, load, publish."""
