-- One row per answer in new parts, without its text.
create or replace temp table found_answers as
select
    * exclude (reasoning, answer, error_code, error_message, filename)
    replace (
        coalesce(reference_ids, []) as reference_ids,
        parse_filename(filename) as part
    )
from (
    from read_parquet($files, hive_partitioning = true, hive_types_autocast = false, filename = true, union_by_name = true)
    union all by name
    from store.traces -- columns that parts of earlier layouts lack
    where false
) as found
where status <> 'error'
