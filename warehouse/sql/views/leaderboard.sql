-- One row per run and stage; of a suite also one per benchmark of it, beside the runs of that benchmark alone.
create or replace view leaderboard as
with board as (
    select
        runs.benchmark,
        runs.experiment,
        runs.run_id,
        roles.stage,
        roles.model,
        metrics.estimate as accuracy,
        metrics.low,
        metrics.high,
        coalesce(metrics.num_problems, 0) as num_problems,
        roles.n as num_samples_per_problem,
        coalesce(counted.num_samples, 0) + roles.num_blocked as num_wanted,
        coalesce(counted.num_attempts, 0) as num_attempts,
        roles.num_blocked + coalesce(counted.num_infra_errors, 0) as num_errors,
        counted.num_grader_errors,
        counted.num_ungraded,
        counted.num_truncated,
        counted.num_no_answer,
        costs.num_tokens,
        costs.dollars,
        costs.petaflops,
        counted.latency_seconds_p50,
        counted.latency_seconds_p95,
        runs.status,
        runs.started_at,
        runs.num_problems as num_wanted_problems,
        costs.cost_note,
        scored.estimate as points,
        counted.num_by_hand,
        roles.round,
        counted.num_fallbacks,
        roles.place
    from store.runs
    inner join store.roles on runs.run_id = roles.run_id
    left join store.stage_results as counted on roles.run_id = counted.run_id and roles.stage = counted.stage
    left join costs on roles.run_id = costs.run_id and roles.stage = costs.stage
    left join metrics
        on
            runs.run_id = metrics.run_id
            and roles.stage = metrics.stage
            and metrics.measure = 'mean'
    left join metrics as scored
        on
            runs.run_id = scored.run_id
            and roles.stage = scored.stage
            and scored.measure = 'points'
    union all by name
    select
        found.benchmark,
        runs.experiment,
        runs.run_id,
        roles.stage,
        roles.model,
        metrics.accuracy,
        metrics.low,
        metrics.high,
        coalesce(metrics.num_problems, 0) as num_problems,
        roles.n as num_samples_per_problem,
        if(roles.num_blocked = 0, found.num_samples, null) as num_wanted,
        found.num_attempts,
        if(roles.num_blocked = 0, found.num_errors, null) as num_errors,
        found.num_grader_errors,
        found.num_ungraded,
        found.num_truncated,
        found.num_no_answer,
        found.num_tokens,
        found.dollars,
        found.petaflops,
        found.latency_seconds_p50,
        found.latency_seconds_p95,
        runs.status,
        runs.started_at,
        found.num_wanted_problems,
        costs.cost_note,
        metrics.points,
        found.num_by_hand,
        roles.round,
        roles.place
    from suite_results as found
    inner join store.runs on found.run_id = runs.run_id
    inner join store.roles on found.run_id = roles.run_id and found.stage = roles.stage
    left join costs on found.run_id = costs.run_id and found.stage = costs.stage
    left join (
        select
            run_id,
            member,
            stage,
            max(estimate) filter (where measure = 'mean') as accuracy,
            max(low) filter (where measure = 'mean') as low,
            max(high) filter (where measure = 'mean') as high,
            max(num_problems) filter (where measure = 'mean') as num_problems,
            max(estimate) filter (where measure = 'points') as points
        from suite_metrics
        group by run_id, member, stage
    ) as metrics
        on found.run_id = metrics.run_id and found.member = metrics.member and found.stage = metrics.stage
)

select * exclude (place)
from board
order by benchmark, accuracy desc, run_id, place
