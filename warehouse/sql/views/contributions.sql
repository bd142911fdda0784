-- One row per run with a synthesizer and explorer: what its samples were worth to the rounds that read explorers.
create or replace view contributions as
with explorers as (
    select
        run_id,
        stage,
        model,
        place
    from store.roles
    where round = 0 and run_id in (select readers.run_id from store.roles as readers where readers.round > 0)
),

shown as (
    select
        shown.run_id,
        shown.problem_id,
        shown.reference_stage as stage,
        count(*) as num_shown,
        count(*) filter (where shown.is_reference_correct) as num_shown_right
    from shown_references as shown
    inner join explorers on shown.run_id = explorers.run_id and shown.reference_stage = explorers.stage
    group by shown.run_id, shown.problem_id, shown.reference_stage
),

judged as (
    select
        shown.*,
        shown.num_shown_right > 0 as is_right,
        count(*) filter (where shown.num_shown_right > 0) over (partition by shown.run_id, shown.problem_id) as num_right_stages,
        outcomes.outcome
    from shown
    left join synthesis_outcomes as outcomes on shown.run_id = outcomes.run_id and shown.problem_id = outcomes.problem_id
)

select
    explorers.run_id,
    explorers.stage,
    explorers.model,
    coalesce(sum(judged.num_shown), 0)::bigint as num_shown,
    coalesce(sum(judged.num_shown_right), 0)::bigint as num_shown_right,
    count(*) filter (where judged.is_right) as num_problems_right,
    count(*) filter (where judged.is_right and judged.num_right_stages = 1) as num_problems_right_alone,
    count(*) filter (where judged.is_right and judged.outcome = 'rescued') as num_rescues,
    count(*) filter (where judged.is_right and judged.num_right_stages = 1 and judged.outcome = 'rescued')
        as num_rescues_alone
from explorers
left join judged on explorers.run_id = judged.run_id and explorers.stage = judged.stage
group by explorers.run_id, explorers.stage, explorers.model, explorers.place
order by explorers.run_id, explorers.place
