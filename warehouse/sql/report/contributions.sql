-- One row per run with several explorers and a synthesizer, and explorer: what it contributed.
select *
from contributions
where list_contains($run_ids::varchar[], run_id)
qualify count(*) over (partition by run_id) > 1
