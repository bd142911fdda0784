-- One row per trace, grader and gold answer.
create or replace view grades as
select
    trace_id,
    grader,
    gold,
    verdict,
    is_correct,
    extracted,
    vote_key,
    points
from store.grades
