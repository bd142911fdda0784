-- One row per stage of a run, as its summary has it.
select
    stage,
    num_tokens as tokens,
    dollars,
    petaflops,
    cost_note
from costs
where run_id = $run_id
order by stage
