-- One row per run, stage, problem and k.
create or replace view cons_at_k as
select
    run_id,
    stage,
    problem_id,
    k,
    num_attempts,
    num_votes,
    answers,
    mean_at_k,
    cons_at_k
from store.cons_at_k
