-- One row per metric: a run minus the mean of earlier runs, paired by problem, stratified by benchmark: t, McNemar.
create or replace macro compare_to(earlier_ids, later_id) as table
    with summed as (
        select
            metric,
            place,
            avg(before) as before,
            avg(after) as after,
            avg(change) as change,
            if(count(standard_error) = count(*), sqrt(sum(standard_error ^ 2)) / count(*), null) as standard_error,
            satterthwaite(standard_error, num_problems) as nu,
            min(num_problems) as fewest,
            sum(num_problems)::bigint as num_problems,
            sum(num_better)::bigint as num_better,
            sum(num_worse)::bigint as num_worse,
            sum(num_gained)::bigint as num_gained,
            sum(num_lost)::bigint as num_lost,
            sum(num_undecided)::bigint as num_undecided
        from member_changes(earlier_ids, later_id) -- noqa: RF02
        group by metric, place
    )

    select
        metric,
        before,
        after,
        change,
        if(standard_error > 1e-12, change - student_t(nu) * standard_error, null) as low,
        if(standard_error > 1e-12, change + student_t(nu) * standard_error, null) as high,
        case
            when fewest < 2 then null
            when standard_error > 1e-12 then student_p(change / standard_error, nu)
            else mcnemar_p(num_better, num_worse)
        end as p_value,
        if(
            standard_error > 1e-12,
            (student_t(nu) + 0.8416 + 0.36 / nu) * standard_error,
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
