-- One row per run, stage that reads others, and problem: its answers against the vote of all explorers.
create or replace view round_outcomes as
with judged as (
    select
        synthesized.run_id,
        synthesized.stage,
        pools.round,
        pools.is_main as is_last,
        synthesized.problem_id,
        explored.majority_accuracy > 0.5 as is_majority_right,
        explored.num_correct > 0 as is_any_right,
        synthesized.accuracy > 0.5 as is_synthesizer_right,
        explored.accuracy as explorer_accuracy,
        explored.majority_accuracy,
        synthesized.accuracy as synthesizer_accuracy
    from store.problem_results as synthesized
    inner join pools() as pools on synthesized.run_id = pools.run_id and synthesized.stage = pools.stage and pools.round > 0
    inner join pools() as explorers on synthesized.run_id = explorers.run_id and explorers.round = 0 and explorers.is_main
    inner join store.problem_results as explored
        on
            synthesized.run_id = explored.run_id
            and synthesized.problem_id = explored.problem_id
            and explorers.stage = explored.stage
)

select
    run_id,
    stage,
    round,
    is_last,
    problem_id,
    is_majority_right,
    is_any_right,
    is_synthesizer_right,
    case
        when is_majority_right and is_synthesizer_right then 'kept'
        when is_majority_right and not is_synthesizer_right then 'harmed'
        when not is_majority_right and is_synthesizer_right then 'rescued'
        when not is_majority_right and not is_synthesizer_right then 'missed'
    end as outcome,
    explorer_accuracy,
    majority_accuracy,
    synthesizer_accuracy
from judged
