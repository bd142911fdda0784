-- Adds the answers of new parts, one row per trace; looks only at the same recipes' history.
insert into store.traces by name
select
    * exclude (problem_id, reasoning, answer, error_code, error_message, filename)
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
where
    status <> 'error'
    and not exists (
        select 1
        from store.traces as known
        where known.recipe = found.recipe and known.trace_id = found.trace_id
    )
qualify row_number() over (partition by trace_id order by filename) = 1
order by recipe, problem_digest, sample_index
