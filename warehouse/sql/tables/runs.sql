-- One row per run.
create table store.runs (
    run_id varchar not null,
    experiment varchar not null,
    description varchar not null,
    status varchar not null,
    benchmark varchar not null,
    grader varchar not null,
    num_problems integer not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    config json not null,
    versions json not null,
    servers json not null,
    is_settled boolean not null,
    is_stale boolean not null,
    warnings json not null
)
