-- One row per run and trace it wanted, with its verdict by the run's grader; no text.
create or replace view samples as
select
    run_id,
    stage,
    problem_id,
    problem_digest,
    sample_index,
    trace_id,
    gold,
    status,
    verdict,
    is_correct,
    extracted,
    vote_key,
    finish_reason,
    error_code,
    seed,
    num_prompt_tokens,
    num_billed_prompt_tokens,
    num_completion_tokens,
    started_at,
    latency_seconds,
    mean_logprob,
    score
from store.samples
