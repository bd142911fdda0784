"""Any OpenAI-compatible endpoint, or several that serve the same model."""
