"""How missing traces are made: roles ready to work, what is missing, its shards, requests out and completions in."""
