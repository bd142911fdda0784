-- Follows the texts of vanished parts into the parts that hold them now.
update store.traces
set part = found.part
from (
    select
        trace_id,
        min(parse_filename(filename)) as part
    from read_parquet($files, hive_partitioning = true, filename = true)
    where status <> 'error'
    group by trace_id
) as found
where traces.part in (select unnest($gone)) and traces.trace_id = found.trace_id
