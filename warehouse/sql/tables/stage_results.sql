-- One row per run and stage: counts, tokens and latencies of its samples; made when the run is loaded.
create table store.stage_results (
    run_id varchar not null,
    stage varchar not null,
    num_attempts integer not null,
    num_correct integer not null,
    num_infra_errors integer not null,
    num_grader_errors integer not null,
    num_ungraded integer not null,
    num_truncated integer not null,
    num_no_answer integer not null,
    num_prompt_tokens bigint,
    num_completion_tokens bigint,
    num_uncounted integer not null,
    num_logprobs integer not null,
    num_scores integer not null,
    lowest_score double,
    num_timed integer not null,
    latency_seconds_p50 double,
    latency_seconds_p90 double,
    latency_seconds_p95 double,
    latency_seconds_p99 double,
    latency_seconds_max double
)
