-- Adds counts, tokens and latencies of stale runs, stage by stage, and of all explorers together where there are several.
-- noqa: disable=RF02
insert into store.stage_results by name
with priced as (
    select
        samples.* replace (pooled.pool as stage),
        roles.stored_as,
        dollars_of(samples, roles) as dollars
    from store.samples as samples
    inner join store.roles as roles on samples.run_id = roles.run_id and samples.stage = roles.stage
    inner join pooled() as pooled on samples.run_id = pooled.run_id and samples.stage = pooled.stage
    where samples.run_id in (select runs.run_id from store.runs as runs where runs.is_stale)
)

select
    run_id,
    stage,
    count(is_correct) as num_attempts,
    count(*) filter (where is_correct) as num_correct,
    count(*) filter (where verdict = 'infra_error') as num_infra_errors,
    count(*) filter (where verdict in ('timeout', 'grader_error')) as num_grader_errors,
    count(*) filter (where verdict is null) as num_ungraded,
    count(*) filter (where verdict = 'truncated') as num_truncated,
    count(*) filter (where verdict = 'no_answer') as num_no_answer,
    sum(num_billed_prompt_tokens)::bigint as num_prompt_tokens,
    sum(num_completion_tokens)::bigint as num_completion_tokens,
    count(*) filter (
        where status in ('ok', 'truncated') and (num_completion_tokens is null or num_billed_prompt_tokens is null)
    ) as num_uncounted,
    count(mean_logprob) filter (where is_correct is not null) as num_logprobs,
    count(group_confidence) filter (where is_correct is not null) as num_confidences,
    count(score) filter (where is_correct is not null) as num_scores,
    min(score) filter (where is_correct is not null) as lowest_score,
    count(latency_seconds) as num_timed,
    quantile_cont(latency_seconds, 0.5) as latency_seconds_p50,
    quantile_cont(latency_seconds, 0.9) as latency_seconds_p90,
    quantile_cont(latency_seconds, 0.95) as latency_seconds_p95,
    quantile_cont(latency_seconds, 0.99) as latency_seconds_p99,
    max(latency_seconds) as latency_seconds_max,
    count(*) as num_samples,
    count(points) as num_points,
    count(*) filter (where is_by_hand) as num_by_hand,
    sum(num_cached_prompt_tokens)::bigint as num_cached_prompt_tokens,
    sum(num_reasoning_tokens)::bigint as num_reasoning_tokens,
    fsum(dollars) as dollars, -- the order of the traces does not matter
    count(*) filter (where status in ('ok', 'truncated') and dollars is null) as num_unpriced,
    if(
        bool_or(stored_as = 'select'),
        count(*) filter (where stored_as = 'select' and status = 'ok' and selected_id is null),
        null
    ) as num_fallbacks
from priced
group by run_id, stage
