-- Takes files that are gone out of the ledger.
delete from store.parts
where path in (select unnest($paths))
