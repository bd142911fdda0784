-- One row per run and stage.
create or replace view leaderboard as
select
    runs.benchmark,
    runs.experiment,
    runs.run_id,
    roles.stage,
    roles.model,
    metrics.estimate as accuracy,
    metrics.low,
    metrics.high,
    metrics.num_problems,
    roles.n as num_samples_per_problem,
    counted.num_samples + roles.num_blocked as num_wanted,
    counted.num_attempts,
    roles.num_blocked + counted.num_infra_errors as num_errors,
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
    counted.num_fallbacks
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
order by runs.benchmark, accuracy desc, runs.run_id, roles.place
