-- One row per benchmark of a suite and metric of a run, as its summary has it.
select
    member,
    metric,
    estimate,
    low,
    high,
    num_problems as n,
    num_wanted_problems as wanted,
    num_grader_errors + num_ungraded as undecided
from suite_metrics
where run_id = $run_id
