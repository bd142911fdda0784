-- One row per stored answer, without its text.
create table store.traces (
    trace_id varchar not null,
    stage varchar not null,
    recipe varchar not null,
    problem_digest varchar not null,
    sample_index integer not null,
    seed bigint,
    choice_index integer,
    status varchar not null,
    finish_reason varchar,
    num_prompt_tokens integer,
    num_billed_prompt_tokens integer,
    num_completion_tokens integer,
    started_at timestamptz not null,
    latency_seconds double,
    mean_logprob double,
    score double,
    num_tries integer not null,
    reference_ids varchar[] not null,
    part varchar not null
)
