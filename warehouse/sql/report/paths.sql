-- One row per run and method of answering of which the critical path is known, in tokens and in seconds, with both frontiers.
with found as (
    select
        runs.benchmark,
        metrics.run_id,
        metrics.metric,
        metrics.estimate as accuracy,
        metrics.low,
        metrics.high,
        metrics.num_problems,
        paths.path_tokens_p50,
        paths.path_tokens_p95,
        paths.path_seconds_p50,
        paths.path_seconds_p95
    from metrics
    inner join store.runs on metrics.run_id = runs.run_id
    inner join critical_paths as paths
        on metrics.run_id = paths.run_id and metrics.stage = paths.stage and metrics.metric = paths.metric
    where metrics.run_id in (select unnest($run_ids::varchar[])) and metrics.estimate is not null
)

select
    *,
    is_undominated(benchmark, path_tokens_p50, accuracy) as is_on_token_frontier,
    is_undominated(benchmark, path_seconds_p50, accuracy) as is_on_second_frontier
from found
order by benchmark, path_tokens_p50, run_id, metric
