-- One row per run, sample of a stage that reads others, and trace that it was shown, in the prompt's order.
create or replace view shown_references as
with shown as (
    select
        samples.run_id,
        samples.stage,
        samples.problem_id,
        samples.sample_index,
        unnest(range(1, len(traces.reference_ids) + 1)) as place,
        unnest(traces.reference_ids) as reference_id
    from store.samples
    inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage
    inner join store.traces on roles.recipe = traces.recipe and samples.trace_id = traces.trace_id
)

select
    shown.run_id,
    shown.stage,
    shown.problem_id,
    shown.sample_index,
    shown.place,
    shown.reference_id,
    referred.stage as reference_stage,
    referred.sample_index as reference_index,
    referred.is_correct as is_reference_correct
from shown
inner join store.samples as referred
    on
        shown.run_id = referred.run_id
        and shown.problem_id = referred.problem_id
        and shown.reference_id = referred.trace_id
