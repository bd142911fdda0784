-- Adds the metrics of stale runs, with their 95 % intervals.
insert into store.member_metrics by name
with summed as (
    select
        run_id,
        stage,
        metric,
        measure,
        place,
        member,
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
    where run_id in (select runs.run_id from store.runs where runs.is_stale)
    group by run_id, stage, metric, measure, place, member
)

select
    * exclude (variance, most),
    clustered_low(estimate, variance, num_problems, most) as low,
    clustered_high(estimate, variance, num_problems, most) as high
from summed
order by run_id, place, member
