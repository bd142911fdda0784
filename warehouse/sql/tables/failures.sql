-- One row per trace that failed and has not been made since: its last failure.
create table store.failures (
    trace_id varchar not null,
    stage varchar not null,
    recipe varchar not null,
    problem_id varchar not null,
    problem_digest varchar not null,
    sample_index integer not null,
    started_at timestamptz not null,
    num_tries integer not null,
    error_code varchar not null,
    error_message varchar not null
)
