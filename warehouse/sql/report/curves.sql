-- One row per run, stage, estimator and k, with the 95 % interval over problems.
with found as (
    select
        run_id,
        stage,
        problem_id,
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
        problem_id,
        'cons@k' as estimator,
        k,
        cons_at_k as problem_value,
        num_attempts
    from cons_at_k
    where list_contains($run_ids::varchar[], run_id)
),

summed as (
    select
        found.run_id,
        found.stage,
        suites.member,
        found.estimator,
        found.k,
        avg(found.problem_value) as estimate,
        var_samp(found.problem_value) as variance,
        count(found.problem_value) as num_problems,
        sum(found.num_attempts) filter (where found.problem_value is not null) as num_attempts
    from found
    left join store.suites on found.run_id = suites.run_id and member_of(found.problem_id) = suites.member
    group by found.run_id, found.stage, suites.member, found.estimator, found.k
),

bounded as (
    select
        *,
        clustered_low(estimate, variance, num_problems, num_attempts) as low,
        clustered_high(estimate, variance, num_problems, num_attempts) as high
    from summed
),

averaged as (
    select
        bounded.run_id,
        bounded.stage,
        bounded.estimator,
        bounded.k,
        macro_average(bounded.estimate) as estimate,
        macro_low(bounded.estimate, bounded.low) as low,
        macro_high(bounded.estimate, bounded.high) as high,
        sum(bounded.num_problems)::bigint as num_problems
    from bounded
    group by bounded.run_id, bounded.stage, bounded.estimator, bounded.k
)

select
    averaged.run_id,
    averaged.stage,
    pools.round > 0 as is_reader,
    averaged.estimator,
    averaged.k,
    averaged.estimate,
    averaged.low,
    averaged.high,
    averaged.num_problems
from averaged
inner join pools() as pools on averaged.run_id = pools.run_id and averaged.stage = pools.stage
order by averaged.run_id, pools.place, averaged.estimator, averaged.k
