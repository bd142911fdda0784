-- One row per run, stage, problem and k; made when the run is loaded.
create table store.cons_at_k (
    run_id varchar not null,
    stage varchar not null,
    problem_id varchar not null,
    k integer not null,
    num_attempts integer not null,
    num_votes integer not null,
    answers varchar[],
    mean_at_k double,
    cons_at_k double
)
