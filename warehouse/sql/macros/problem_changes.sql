-- One row per metric and problem: a run's value and the mean of earlier runs', where both have one.
create or replace macro problem_changes(earlier_ids, later_id) as table
    with earlier as (
        select
            metric,
            problem_digest,
            any_value(member) as member,
            any_value(rank) as rank,
            avg(value) as value
        from problem_metrics
        where run_id in (select unnest(earlier_ids)) -- noqa: RF02
        group by metric, problem_digest
    )

    select
        later.metric,
        later.place,
        later.problem_id,
        later.problem_digest,
        earlier.value as before,
        later.value as after,
        later.value - earlier.value as difference,
        coalesce(later.member, earlier.member) as member,
        coalesce(later.rank, earlier.rank) as rank
    from problem_metrics as later
    inner join earlier on later.metric = earlier.metric and later.problem_digest = earlier.problem_digest
    where
        later.run_id = later_id -- noqa: RF02
        and earlier.value is not null
        and later.value is not null
