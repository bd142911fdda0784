-- One row per run, stage and problem: what its samples came to; made when the run is loaded.
create table store.problem_results (
    run_id varchar not null,
    stage varchar not null,
    problem_id varchar not null,
    problem_digest varchar not null,
    num_samples integer not null,
    num_attempts integer not null,
    num_correct integer not null,
    num_truncated integer not null,
    num_errors integer not null,
    accuracy double,
    num_voters integer not null,
    num_votes integer not null,
    num_answers integer not null,
    num_right_answers integer not null,
    vote_entropy double,
    majority_accuracy double,
    best_accuracy double,
    score_majority_accuracy double,
    logprob_majority_accuracy double,
    mean_points double,
    logprob_best_accuracy double
)
