"""How the small models are made: data, model, training, sampling, evaluation (extra `[train]`)."""
