-- One row per run, metric, and benchmark of a suite (NULL: no suite): an estimate over its problems; made when the run is loaded.
create table store.member_metrics (
    run_id varchar not null,
    stage varchar not null,
    metric varchar not null,
    measure varchar not null,
    place integer not null,
    member varchar,
    estimate double,
    low double,
    high double,
    num_problems bigint not null,
    num_attempts bigint
)
