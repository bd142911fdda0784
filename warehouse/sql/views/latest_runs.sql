-- One row per experiment: its latest run.
create or replace view latest_runs as
select *
from runs
qualify row_number() over (partition by experiment order by started_at desc, run_id desc) = 1
