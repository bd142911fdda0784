-- Enters files in the ledger; a Parquet part never changes, so its name says what is in it.
insert or replace into store.parts
select
    unnest($paths) as path,
    unnest($contents) as content,
    now() as loaded_at
