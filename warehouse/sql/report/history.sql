-- One row per headline metric and run of the given runs' experiments and benchmarks, the oldest first; at most 200 runs of each.
with wanted as (
    select distinct
        experiment,
        benchmark
    from store.runs
    where run_id in (select unnest($run_ids::varchar[]))
),

nights as (
    select
        runs.experiment,
        runs.benchmark,
        runs.run_id,
        runs.status,
        runs.started_at
    from store.runs
    inner join wanted on runs.experiment = wanted.experiment and runs.benchmark = wanted.benchmark
    qualify
        row_number() over (
            partition by runs.experiment, runs.benchmark order by runs.started_at desc, runs.run_id desc
        ) <= 200
)

select
    nights.*,
    metrics.metric,
    metrics.estimate,
    metrics.low,
    metrics.high,
    metrics.num_problems
from nights
inner join metrics on nights.run_id = metrics.run_id
where metrics.estimate is not null and split_part(metrics.metric, '@', 1) in ('mean', 'cons', 'pass', 'a2r', 'a2r-cons')
order by nights.experiment, nights.benchmark, nights.started_at, nights.run_id, metrics.metric
