-- One row per run: forward FLOPs per problem in millions (2 x parameters x tokens), and how many selections named no candidate.
-- A prompt is counted once for all samples that share it, whichever request they came from.
with chosen as (
    select distinct unnest($run_ids::varchar[]) as run_id
),

prompted as (
    select
        samples.run_id,
        samples.stage,
        roles.params,
        max(samples.num_prompt_tokens) + sum(samples.num_completion_tokens) as num_tokens
    from chosen
    inner join store.samples on chosen.run_id = samples.run_id
    inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage
    inner join store.traces on roles.recipe = traces.recipe and samples.trace_id = traces.trace_id
    group by samples.run_id, samples.stage, samples.problem_digest, traces.reference_ids, roles.params
),

spent as (
    select
        run_id,
        sum(2 * params * num_tokens) / 1e6 as megaflops
    from prompted
    group by run_id
),

selected as (
    select
        run_id,
        sum(num_fallbacks)::bigint as num_fallbacks,
        (sum(num_samples) filter (where num_fallbacks is not null))::bigint as num_selections
    from store.stage_results
    group by run_id
)

select
    spent.run_id,
    spent.megaflops / runs.num_problems as megaflops_per_problem,
    selected.num_fallbacks,
    selected.num_selections
from spent
inner join store.runs on spent.run_id = runs.run_id
inner join selected on spent.run_id = selected.run_id
