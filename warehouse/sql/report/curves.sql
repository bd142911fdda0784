-- One row per run, stage, estimator and k, with the 95 % interval over problems.
select
    curves.run_id,
    curves.stage,
    pools.round > 0 as is_reader,
    curves.kind || '@k' as estimator,
    curves.k,
    curves.estimate,
    curves.low,
    curves.high,
    curves.num_problems
from curves
inner join pools() as pools on curves.run_id = pools.run_id and curves.stage = pools.stage
where curves.kind <> 'mean' and list_contains($run_ids::varchar[], curves.run_id) -- noqa: RF02
order by curves.run_id, pools.place, estimator, curves.k
