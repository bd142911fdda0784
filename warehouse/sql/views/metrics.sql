-- One row per run and metric, each an estimate over problems with its 95 % interval, and beside it what it leaves out.
create or replace view metrics as
with summed as (
    select
        run_id,
        stage,
        metric,
        measure,
        place,
        avg(value) as estimate,
        var_samp(value) as variance,
        count(value) as num_problems,
        sum(num_attempts) filter (where value is not null) as num_attempts,
        if(
            measure = 'points',
            'infinity'::double, -- they can vary less than right and wrong
            sum(num_attempts) filter (where value is not null)
        ) as most
    from problem_metrics
    group by run_id, stage, metric, measure, place
)

select
    summed.run_id,
    summed.metric,
    summed.estimate,
    clustered_low(summed.estimate, summed.variance, summed.num_problems, summed.most) as low,
    clustered_high(summed.estimate, summed.variance, summed.num_problems, summed.most) as high,
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
