"""Where problems come from: the Hugging Face hub, local files, seeded generators."""
