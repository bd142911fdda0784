-- One row per metric and benchmark of a suite (NULL: no suite): a run minus the mean of earlier runs, paired by problem.
create or replace macro member_changes(earlier_ids, later_id) as table
    select
        metric,
        place,
        member,
        avg(before) as before,
        avg(after) as after,
        avg(difference) as change,
        stddev_samp(difference) / sqrt(count(*)) as standard_error,
        count(*) as num_problems,
        count(*) filter (where difference > 0) as num_better,
        count(*) filter (where difference < 0) as num_worse,
        count(*) filter (where before < 0.5 and after > 0.5) as num_gained,
        count(*) filter (where before > 0.5 and after < 0.5) as num_lost,
        count(*) filter (where before = 0.5 or after = 0.5) as num_undecided,
        min(rank) as rank
    from problem_changes(earlier_ids, later_id) -- noqa: RF02
    group by metric, place, member
