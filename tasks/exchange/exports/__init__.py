"""A run's traces as files for others: tables, a Hugging Face data set, training sets for TRL and verl."""
