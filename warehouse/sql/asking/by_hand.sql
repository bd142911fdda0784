-- One row: how many samples of how many runs are decided by hand.
select
    coalesce(sum(num_by_hand), 0)::bigint as num_samples,
    count(distinct run_id) filter (where num_by_hand > 0) as num_runs
from store.stage_results
where stage <> 'explorers'
