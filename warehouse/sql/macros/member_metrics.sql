-- One row per run, metric, and benchmark of a suite (NULL: no suite): an estimate over its problems.
create or replace macro member_metrics(of_suites) as table
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
        where not of_suites or run_id in (select suites.run_id from store.suites) -- noqa: RF02
        group by run_id, stage, metric, measure, place, member
    )

    select
        * exclude (variance, most),
        clustered_low(estimate, variance, num_problems, most) as low,
        clustered_high(estimate, variance, num_problems, most) as high
    from summed
