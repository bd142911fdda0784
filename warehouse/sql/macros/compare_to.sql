-- One row per metric: a run minus the mean of earlier runs, paired by problem: Student's t, McNemar, the smallest effect seen.
create or replace macro compare_to(earlier_ids, later_id) as table
    with summed as (
        select
            metric,
            place,
            avg(before) as before,
            avg(after) as after,
            avg(difference) as change,
            stddev_samp(difference) / sqrt(count(*)) as standard_error,
            count(*) as num_problems,
            count(*) filter (where difference > 0) as num_better,
            count(*) filter (where difference < 0) as num_worse,
            count(*) filter (where before < 0.5 and after > 0.5) as num_gained,
            count(*) filter (where before > 0.5 and after < 0.5) as num_lost,
            count(*) filter (where before = 0.5 or after = 0.5) as num_undecided
        from problem_changes(earlier_ids, later_id) -- noqa: RF02
        group by metric, place
    )

    select
        metric,
        before,
        after,
        change,
        if(standard_error > 1e-12, change - student_t(num_problems - 1) * standard_error, null) as low,
        if(standard_error > 1e-12, change + student_t(num_problems - 1) * standard_error, null) as high,
        case
            when num_problems < 2 then null
            when standard_error > 1e-12 then student_p(change / standard_error, num_problems - 1)
            else mcnemar_p(num_better, num_worse)
        end as p_value,
        if(
            standard_error > 1e-12,
            (student_t(num_problems - 1) + 0.8416 + 0.36 / (num_problems - 1)) * standard_error,
            null
        ) as smallest_effect,
        num_problems,
        num_better,
        num_worse,
        num_gained,
        num_lost,
        num_undecided,
        mcnemar_p(num_gained, num_lost) as mcnemar_p
    from summed
    order by place, metric
