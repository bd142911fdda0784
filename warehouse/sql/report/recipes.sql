-- One row per run, stage and recipe its traces are of, a judge's too.
select
    run_id,
    stage,
    recipe,
    settings
from store.roles
where run_id in (select unnest($run_ids::varchar[]))
union all by name
select
    run_id,
    'judge' as stage,
    recipe
from store.judges
where run_id in (select unnest($run_ids::varchar[]))
order by run_id, stage
