-- One row per run and stage.
create or replace view latencies as
select
    stages.run_id,
    stages.stage,
    roles.model,
    roles.engine,
    stages.num_timed,
    stages.latency_seconds_p50,
    stages.latency_seconds_p90,
    stages.latency_seconds_p95,
    stages.latency_seconds_p99,
    stages.latency_seconds_max
from store.stage_results as stages
inner join store.roles on stages.run_id = roles.run_id and stages.stage = roles.stage
