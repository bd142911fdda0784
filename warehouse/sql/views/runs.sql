-- One row per run.
create or replace view runs as
select
    runs.run_id,
    runs.experiment,
    runs.description,
    runs.status,
    runs.benchmark,
    runs.num_problems,
    runs.grader,
    explorer.model as explorer,
    explorer.n as num_explored,
    synthesizer.model as synthesizer,
    synthesizer.n as num_synthesized,
    synthesizer.num_references,
    runs.started_at,
    runs.finished_at,
    runs.config,
    runs.versions,
    runs.servers,
    runs.warnings
from store.runs
left join store.roles as explorer on runs.run_id = explorer.run_id and explorer.stage = 'explore'
left join store.roles as synthesizer on runs.run_id = synthesizer.run_id and synthesizer.stage = 'synthesize'
