-- One row per run of a suite and benchmark of it.
create table store.suites (
    run_id varchar not null,
    member varchar not null,
    benchmark varchar not null,
    num_problems integer not null,
    place integer not null
)
