-- One row per run and way from the explorers' samples to the synthesizer's answer.
select
    run_id,
    is_majority_right,
    is_any_right,
    is_synthesizer_right,
    outcome,
    count(*) as num_problems
from synthesis_outcomes
where list_contains($run_ids::varchar[], run_id)
group by all
order by all
