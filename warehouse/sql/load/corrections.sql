-- Adds the verdicts by hand of new parts, one row per event.
insert into store.corrections by name
from read_parquet($files)
