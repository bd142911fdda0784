"""What the project studies with its own pipeline, and the pipeline does not know: small models and how they compare."""
