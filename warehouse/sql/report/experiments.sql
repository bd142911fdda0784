-- One row per experiment that ran, the one that ran last first.
select experiment
from store.runs
group by experiment
order by max(started_at) desc, experiment
