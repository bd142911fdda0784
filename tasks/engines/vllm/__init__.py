"""vLLM inside the process of the run, without a server."""
