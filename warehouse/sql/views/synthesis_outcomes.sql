-- One row per run with a synthesizer and problem.
create or replace view synthesis_outcomes as
with judged as (
    select
        synthesized.run_id,
        synthesized.problem_id,
        explored.majority_accuracy > 0.5 as is_majority_right,
        explored.num_correct > 0 as is_any_right,
        synthesized.accuracy > 0.5 as is_synthesizer_right,
        explored.accuracy as explorer_accuracy,
        explored.majority_accuracy,
        synthesized.accuracy as synthesizer_accuracy
    from store.problem_results as synthesized
    inner join store.problem_results as explored
        on
            synthesized.run_id = explored.run_id
            and synthesized.problem_id = explored.problem_id
            and explored.stage = 'explore'
    where synthesized.stage = 'synthesize'
)

select
    run_id,
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
