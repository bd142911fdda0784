-- One row per run and stage that reads others: how much its answers vary between problems, groups of references, and samples.
-- The components of a random-effects analysis of variance, nested and unbalanced: Searle, Casella & McCulloch 1992, section 3.6.
create or replace view reference_groups as
with read as (
    select
        samples.run_id,
        samples.stage,
        samples.problem_id,
        traces.reference_ids,
        count(*) as num_attempts,
        avg(samples.is_correct::integer) as accuracy
    from store.samples
    inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage and roles.round > 0
    inner join store.traces on roles.recipe = traces.recipe and samples.trace_id = traces.trace_id
    where samples.is_correct is not null
    group by samples.run_id, samples.stage, samples.problem_id, traces.reference_ids
),

by_problem as (
    select
        run_id,
        stage,
        problem_id,
        count(*) as num_groups,
        sum(num_attempts) as num_attempts,
        sum(num_attempts ^ 2) / sum(num_attempts) as mean_attempts,
        sum(num_attempts * accuracy) / sum(num_attempts) as accuracy,
        sum(num_attempts * accuracy * (1 - accuracy)) as within,
        sum(num_attempts * accuracy ^ 2) - sum(num_attempts * accuracy) ^ 2 / sum(num_attempts) as between_groups
    from read
    group by run_id, stage, problem_id
),

summed as (
    select
        run_id,
        stage,
        count(*) as num_problems,
        sum(num_groups)::bigint as num_groups,
        sum(num_attempts)::bigint as num_attempts,
        sum(within) / nullif(sum(num_attempts - num_groups), 0) as sample_variance,
        sum(between_groups) as between_groups,
        sum(num_groups - 1) as freedom,
        sum(num_attempts - mean_attempts) as weight,
        var_samp(accuracy) as variance,
        avg(mean_attempts / num_attempts) as group_share,
        avg(1 / num_attempts) as sample_share
    from by_problem
    group by run_id, stage
)

select
    run_id,
    stage,
    num_problems,
    num_groups,
    num_attempts,
    sample_variance,
    (between_groups - freedom * sample_variance) / nullif(weight, 0) as group_variance,
    variance - group_share * group_variance - sample_share * sample_variance as problem_variance
from summed
