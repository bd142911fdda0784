-- One row per event: a verdict by hand that was entered or withdrawn.
create table store.corrections (
    source varchar not null,
    line integer not null,
    trace_id varchar,
    problem_digest varchar not null,
    problem_id varchar not null,
    answer varchar,
    vote_key varchar,
    verdict varchar not null,
    who varchar not null,
    why varchar not null,
    entered_at timestamptz not null,
    is_withdrawn boolean not null
)
