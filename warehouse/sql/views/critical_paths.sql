-- One row per run, stage and metric: how long its problems' answers take if all that can be done side by side is.
create or replace view critical_paths as
select
    run_id,
    metric,
    stage,
    count(path_tokens) as num_counted,
    median(path_tokens) as path_tokens_p50,
    quantile_cont(path_tokens, 0.95) as path_tokens_p95,
    avg(path_tokens) as mean_path_tokens,
    count(path_seconds) as num_timed,
    median(path_seconds) as path_seconds_p50,
    quantile_cont(path_seconds, 0.95) as path_seconds_p95,
    avg(path_seconds) as mean_path_seconds
from problem_paths
group by run_id, stage, metric
