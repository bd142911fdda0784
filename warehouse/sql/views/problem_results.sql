-- One row per run, stage and problem.
create or replace view problem_results as
select
    run_id,
    stage,
    problem_id,
    problem_digest,
    num_samples,
    num_attempts,
    num_correct,
    num_truncated,
    num_errors,
    accuracy,
    num_voters,
    num_votes,
    num_answers,
    num_right_answers,
    vote_entropy,
    majority_accuracy,
    best_accuracy,
    score_majority_accuracy,
    logprob_majority_accuracy,
    confidence_majority_accuracy,
    mean_points,
    logprob_best_accuracy,
    num_fixed_attempts,
    num_fixed_correct
from store.problem_results
