-- One row per run, stage, kind of estimate (mean, cons, pass) and k, with its 95 % interval over problems.
create or replace view curves as
with tallies as (
    select
        run_id,
        stage,
        num_fixed_attempts as num_attempts,
        num_fixed_correct as num_correct,
        count(*) as num_problems
    from store.problem_results
    group by run_id, stage, num_fixed_attempts, num_fixed_correct
),

passes as (
    select
        tallies.run_id,
        tallies.stage,
        sizes.k,
        tallies.num_attempts,
        tallies.num_problems,
        pass_at_k(tallies.num_attempts, tallies.num_correct, sizes.k) as value
    from tallies
    inner join (select run_id, stage, unnest(range(1, n + 1)) as k from pools()) as sizes
        on tallies.run_id = sizes.run_id and tallies.stage = sizes.stage
),

passed as (
    select
        run_id,
        stage,
        'pass' as kind,
        k,
        sum(num_problems * value) / sum(num_problems) filter (where value is not null) as estimate,
        sum(num_problems * value ^ 2) as squares,
        coalesce(sum(num_problems) filter (where value is not null), 0) as num_problems,
        coalesce(sum(num_problems) filter (where value is null), 0) as num_left_out,
        sum(num_problems * num_attempts) filter (where value is not null) as num_attempts
    from passes
    group by run_id, stage, k
),

voted as (
    select
        run_id,
        stage,
        k,
        avg(cons_at_k) as cons,
        avg(mean_at_k) as mean,
        var_samp(cons_at_k) as cons_variance,
        var_samp(mean_at_k) as mean_variance,
        count(cons_at_k) as num_problems,
        count(*) - count(cons_at_k) as num_left_out,
        sum(num_attempts) filter (where cons_at_k is not null) as num_attempts
    from store.cons_at_k
    group by run_id, stage, k
),

together as (
    select
        run_id,
        stage,
        kind,
        k,
        estimate,
        greatest(squares - num_problems * estimate ^ 2, 0.0) / nullif(num_problems - 1, 0) as variance,
        num_problems,
        num_left_out,
        num_attempts
    from passed
    union all
    select
        run_id,
        stage,
        'cons' as kind,
        k,
        cons as estimate,
        cons_variance as variance,
        num_problems,
        num_left_out,
        num_attempts
    from voted
    union all
    select
        run_id,
        stage,
        'mean' as kind,
        k,
        mean as estimate,
        mean_variance as variance,
        num_problems,
        num_left_out,
        num_attempts
    from voted
)

select
    run_id,
    stage,
    kind,
    k::integer as k,
    estimate,
    clustered_low(estimate, variance, num_problems, num_attempts) as low,
    clustered_high(estimate, variance, num_problems, num_attempts) as high,
    num_problems::bigint as num_problems,
    num_left_out::bigint as num_left_out,
    num_attempts::bigint as num_attempts
from together
