-- One row: a metric of one run minus a metric of another (or the same), paired by problem, with Student's 95 % interval.
with measured as (
    select
        run_id,
        problem_id,
        metric,
        value
    from problem_metrics
    union all
    select
        votes.run_id,
        votes.problem_id,
        'cons@' || votes.k as metric,
        votes.cons_at_k as value
    from cons_at_k as votes
    inner join pools() as pools
        on
            votes.run_id = pools.run_id
            and votes.stage = pools.stage
            and votes.k < pools.n
            and pools.round = 0
            and pools.is_main
),

paired as (
    select
        one.value as one_value,
        other.value as other_value,
        one.value - other.value as difference
    from measured as one
    inner join measured as other on one.problem_id = other.problem_id
    where
        one.run_id = $run_id -- noqa: RF02
        and one.metric = $metric -- noqa: RF02
        and other.run_id = $other_run_id -- noqa: RF02
        and other.metric = $other_metric -- noqa: RF02
        and one.value is not null
        and other.value is not null
)

select
    avg(one_value) as one,
    avg(other_value) as other,
    avg(difference) as difference,
    avg(difference) - student_t(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as low,
    avg(difference) + student_t(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as high,
    count(*) as num_problems
from paired
