-- One row per run of a suite, benchmark of it, and stage: what its samples came to.
-- noqa: disable=RF02
create or replace view suite_results as
with priced as (
    select
        samples.*,
        pooled.pool,
        suites.member,
        suites.benchmark,
        suites.num_problems,
        suites.place,
        roles.params,
        dollars_of(samples, roles) as dollars
    from store.suites
    inner join store.samples on suites.run_id = samples.run_id and suites.member = member_of(samples.problem_id)
    inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage
    inner join pooled() as pooled on samples.run_id = pooled.run_id and samples.stage = pooled.stage
)

select
    run_id,
    member,
    benchmark,
    pool as stage,
    num_problems as num_wanted_problems,
    count(*) as num_samples,
    count(is_correct) as num_attempts,
    count(*) filter (where is_correct) as num_correct,
    count(*) filter (where verdict = 'infra_error') as num_errors,
    count(*) filter (where verdict in ('timeout', 'grader_error')) as num_grader_errors,
    count(*) filter (where verdict is null) as num_ungraded,
    count(*) filter (where verdict = 'truncated') as num_truncated,
    count(*) filter (where verdict = 'no_answer') as num_no_answer,
    count(*) filter (where is_by_hand) as num_by_hand,
    (sum(num_billed_prompt_tokens) + sum(num_completion_tokens))::bigint as num_tokens,
    if(
        count(*) filter (where status in ('ok', 'truncated') and dollars is null) = 0, fsum(dollars), null
    ) as dollars,
    sum(2 * params * (num_billed_prompt_tokens + num_completion_tokens)) / 1e15 as petaflops,
    quantile_cont(latency_seconds, 0.5) as latency_seconds_p50,
    quantile_cont(latency_seconds, 0.95) as latency_seconds_p95
from priced
group by run_id, member, benchmark, pool, num_problems, place
order by run_id, place, stage
