-- Removes files that no longer exist from the ledger.
delete from store.parts
where path in (select unnest($paths))
