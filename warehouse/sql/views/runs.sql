-- One row per run.
create or replace view runs as
with explored as (
    select
        run_id,
        string_agg(model, ' + ' order by place) as model,
        sum(n)::integer as n
    from store.roles
    where round = 0
    group by run_id
),

answered as (
    select
        run_id,
        model,
        n,
        num_references,
        max(round) over (partition by run_id) as num_rounds
    from store.roles
    where round > 0
    qualify place = max(place) over (partition by run_id)
)

select
    runs.run_id,
    runs.experiment,
    runs.description,
    runs.status,
    runs.benchmark,
    runs.num_problems,
    runs.grader,
    explored.model as explorer,
    explored.n as num_explored,
    answered.model as synthesizer,
    answered.n as num_synthesized,
    answered.num_references,
    runs.started_at,
    runs.finished_at,
    runs.config,
    runs.versions,
    runs.servers,
    runs.warnings,
    coalesce(answered.num_rounds, 0) as num_rounds
from store.runs
left join explored on runs.run_id = explored.run_id
left join answered on runs.run_id = answered.run_id
