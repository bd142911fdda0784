-- One row per metric of a run, as its summary has it.
select
    metric,
    estimate,
    low,
    high,
    num_problems as n,
    num_wanted_problems as wanted,
    num_grader_errors + num_ungraded as undecided
from metrics
where run_id = $run_id
