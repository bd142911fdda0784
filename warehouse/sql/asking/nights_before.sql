-- One row per earlier run of the same experiment and benchmark, the newest first, so many at most.
select earlier.run_id
from runs as earlier
inner join (from runs where run_id = $run_id) as night
    on
        earlier.experiment = night.experiment
        and earlier.benchmark = night.benchmark
        and (earlier.started_at, earlier.run_id) < (night.started_at, night.run_id)
order by earlier.started_at desc, earlier.run_id desc
limit $num_nights
