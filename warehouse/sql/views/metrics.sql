-- One row per run and metric: an estimate over problems (of a suite, its benchmarks'), its 95 % interval, what it leaves out.
create or replace view metrics as
with summed as (
    select
        found.run_id,
        found.stage,
        found.metric,
        found.measure,
        found.place,
        if(count(*) < any_value(suites.num_members), null, macro_average(found.estimate)) as estimate,
        macro_low(found.estimate, found.low) as low,
        macro_high(found.estimate, found.high) as high,
        sum(found.num_problems)::bigint as num_problems,
        sum(found.num_attempts) as num_attempts
    from store.member_metrics as found
    left join (select run_id, count(*) as num_members from store.suites group by run_id) as suites
        on found.run_id = suites.run_id
    group by found.run_id, found.stage, found.metric, found.measure, found.place
)

select
    summed.run_id,
    summed.metric,
    summed.estimate,
    if(summed.estimate is null, null, summed.low) as low,
    if(summed.estimate is null, null, summed.high) as high,
    summed.num_problems,
    runs.num_problems - summed.num_problems as num_left_out,
    summed.num_attempts::bigint as num_attempts,
    summed.stage,
    runs.num_problems as num_wanted_problems,
    counted.num_grader_errors,
    counted.num_ungraded,
    counted.num_no_answer,
    counted.num_truncated,
    counted.num_by_hand,
    summed.measure
from summed
inner join store.runs on summed.run_id = runs.run_id
inner join store.stage_results as counted on summed.run_id = counted.run_id and summed.stage = counted.stage
order by summed.run_id, summed.place
