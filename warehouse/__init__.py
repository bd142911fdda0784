"""Where results live: identities, the Parquet store, the DuckDB catalog and its SQL."""
