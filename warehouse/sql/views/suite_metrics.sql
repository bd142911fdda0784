-- One row per run of a suite, benchmark of it, and metric: an estimate over that benchmark's problems with its 95 % interval.
create or replace view suite_metrics as
select
    suites.run_id,
    suites.member,
    suites.benchmark,
    found.metric,
    found.estimate,
    found.low,
    found.high,
    found.num_problems,
    suites.num_problems - found.num_problems as num_left_out,
    found.num_attempts::bigint as num_attempts,
    found.stage,
    suites.num_problems as num_wanted_problems,
    counted.num_grader_errors,
    counted.num_ungraded,
    counted.num_no_answer,
    counted.num_truncated,
    counted.num_by_hand,
    found.measure
from store.suites
inner join store.member_metrics as found on suites.run_id = found.run_id and suites.member = found.member
inner join suite_results as counted
    on suites.run_id = counted.run_id and suites.member = counted.member and found.stage = counted.stage
order by suites.run_id, suites.place, found.place
