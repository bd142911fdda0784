-- One row per complete run of these experiments on so many problems, the latest last.
select
    experiment,
    config,
    run_id
from runs
where
    experiment in (select unnest($experiments::varchar[])) -- noqa: RF02
    and num_problems = $num_problems -- noqa: RF02
    and status = 'complete'
order by finished_at
