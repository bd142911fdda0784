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
        run_id,
        problem_id,
        'cons@' || k as metric,
        cons_at_k as value
    from cons_at_k
    where
        stage = 'explore'
        and k < (select max(other.k) from cons_at_k as other where other.run_id = cons_at_k.run_id and other.stage = 'explore')
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
