-- One row: whether a verdict of these recipes is in none of their parts.
select count(*) > 0 as is_lost
from (
    select
        trace_id,
        grader,
        gold
    from store.grades
    where recipe in (select unnest($recipes))
    except
    select
        trace_id,
        grader,
        gold
    from read_parquet($files, hive_partitioning = true, hive_types_autocast = false)
) as missing
