-- One row per stage of a run graded by a cascade, two of its graders, and which of them decided: how often they agree.
select
    stage,
    grader,
    other_grader,
    decided_by,
    num_both,
    num_agreed
from agreement
where run_id = $run_id
order by all
