"""When things run: the flows and the command line, composition only."""
