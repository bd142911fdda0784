-- One row per run, stage, estimator and k, with the 95 % interval over problems.
with found as (
    select
        run_id,
        stage,
        'pass@k' as estimator,
        k,
        pass_at_k as problem_value,
        n as num_attempts
    from pass_at_k
    where list_contains($run_ids::varchar[], run_id)
    union all
    select
        run_id,
        stage,
        'cons@k' as estimator,
        k,
        cons_at_k as problem_value,
        num_attempts
    from cons_at_k
    where list_contains($run_ids::varchar[], run_id)
),

summed as (
    select
        run_id,
        stage,
        estimator,
        k,
        avg(problem_value) as estimate,
        var_samp(problem_value) as variance,
        count(problem_value) as num_problems,
        sum(num_attempts) filter (where problem_value is not null) as num_attempts
    from found
    group by all
)

select
    summed.run_id,
    summed.stage,
    pools.round > 0 as is_reader,
    summed.estimator,
    summed.k,
    summed.estimate,
    clustered_low(summed.estimate, summed.variance, summed.num_problems, summed.num_attempts) as low,
    clustered_high(summed.estimate, summed.variance, summed.num_problems, summed.num_attempts) as high,
    summed.num_problems
from summed
inner join pools() as pools on summed.run_id = pools.run_id and summed.stage = pools.stage
order by summed.run_id, pools.place, summed.estimator, summed.k
