-- One row per run, stage, kind of estimate (mean, cons, pass) and k, over problems (of a suite, its benchmarks' mean).
create or replace view curves as
with tallies as (
    select
        results.run_id,
        results.stage,
        suites.member,
        results.num_fixed_attempts as num_attempts,
        results.num_fixed_correct as num_correct,
        count(*) as num_problems
    from store.problem_results as results
    left join store.suites on results.run_id = suites.run_id and member_of(results.problem_id) = suites.member
    group by results.run_id, results.stage, suites.member, results.num_fixed_attempts, results.num_fixed_correct
),

passes as (
    select
        tallies.run_id,
        tallies.stage,
        tallies.member,
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
        member,
        'pass' as kind,
        k,
        sum(num_problems * value) / sum(num_problems) filter (where value is not null) as estimate,
        sum(num_problems * value ^ 2) as squares,
        coalesce(sum(num_problems) filter (where value is not null), 0) as num_problems,
        coalesce(sum(num_problems) filter (where value is null), 0) as num_left_out,
        sum(num_problems * num_attempts) filter (where value is not null) as num_attempts
    from passes
    group by run_id, stage, member, k
),

voted as (
    select
        votes.run_id,
        votes.stage,
        suites.member,
        votes.k,
        avg(votes.cons_at_k) as cons,
        avg(votes.mean_at_k) as mean,
        var_samp(votes.cons_at_k) as cons_variance,
        var_samp(votes.mean_at_k) as mean_variance,
        count(votes.cons_at_k) as num_problems,
        count(*) - count(votes.cons_at_k) as num_left_out,
        sum(votes.num_attempts) filter (where votes.cons_at_k is not null) as num_attempts
    from store.cons_at_k as votes
    left join store.suites on votes.run_id = suites.run_id and member_of(votes.problem_id) = suites.member
    group by votes.run_id, votes.stage, suites.member, votes.k
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
),

bounded as (
    select
        *,
        clustered_low(estimate, variance, num_problems, num_attempts) as low,
        clustered_high(estimate, variance, num_problems, num_attempts) as high
    from together
)

select
    bounded.run_id,
    bounded.stage,
    bounded.kind,
    bounded.k::integer as k,
    macro_average(bounded.estimate) as estimate,
    macro_low(bounded.estimate, bounded.low) as low,
    macro_high(bounded.estimate, bounded.high) as high,
    sum(bounded.num_problems)::bigint as num_problems,
    sum(bounded.num_left_out)::bigint as num_left_out,
    sum(bounded.num_attempts)::bigint as num_attempts
from bounded
group by bounded.run_id, bounded.stage, bounded.kind, bounded.k
