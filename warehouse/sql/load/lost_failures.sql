-- One row: whether a failure of these recipes is in none of their parts.
select count(*) > 0 as is_lost
from (
    select trace_id
    from store.failures
    where recipe in (select unnest($recipes))
    except
    select trace_id
    from read_parquet($files, hive_partitioning = true)
    where status = 'error'
) as missing
