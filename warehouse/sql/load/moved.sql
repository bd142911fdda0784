-- Follows the texts of vanished parts into the parts that hold them now.
update store.traces
set
    part = found.part,
    problem_id = found.problem_id
from (
    select
        trace_id,
        started_at,
        latency_seconds,
        answer_digest,
        min(parse_filename(filename)) as part,
        arg_min(problem_id, filename) as problem_id
    from (
        from read_parquet($files, hive_partitioning = true, filename = true, union_by_name = true)
        union all by name
        from store.traces -- columns that parts of earlier layouts lack
        where false
    ) as held
    where status <> 'error'
    group by trace_id, started_at, latency_seconds, answer_digest
) as found
where
    traces.part in (select unnest($gone))
    and traces.trace_id = found.trace_id
    and traces.started_at is not distinct from found.started_at
    and traces.latency_seconds is not distinct from found.latency_seconds
    and traces.answer_digest is not distinct from found.answer_digest
