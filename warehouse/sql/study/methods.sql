-- One row per name: a metric of several runs, which are seeds of sampling, on the same problems. Mean with its 95 % interval, the
-- same minus that of the name $baseline, paired by problem, and the critical path. A problem's value is the mean of its runs'.
with chosen as (
    select
        unnest($names::varchar[]) as name,
        unnest($run_ids::varchar[]) as run_id,
        unnest($metrics::varchar[]) as metric
),

answered as (
    select
        chosen.name,
        found.problem_digest,
        avg(found.value) as value,
        sum(found.num_attempts) as num_attempts
    from chosen
    inner join problem_metrics as found on chosen.run_id = found.run_id and chosen.metric = found.metric
    where found.value is not null
    group by chosen.name, found.problem_digest
),

summed as (
    select
        name,
        avg(value) as estimate,
        var_samp(value) as variance,
        count(*) as num_problems,
        sum(num_attempts) as num_attempts
    from answered
    group by name
),

compared as (
    select
        answered.name,
        avg(answered.value - baseline.value) as difference,
        student_t(count(*) - 1) * stddev_samp(answered.value - baseline.value) / sqrt(count(*)) as half_width
    from answered
    inner join answered as baseline on answered.problem_digest = baseline.problem_digest
    where baseline.name = $baseline -- noqa: RF02
    group by answered.name
),

waited as (
    select
        chosen.name,
        median(paths.path_tokens) as path_tokens_p50,
        quantile_cont(paths.path_tokens, 0.95) as path_tokens_p95,
        avg(paths.path_tokens) as mean_path_tokens
    from chosen
    inner join problem_paths as paths on chosen.run_id = paths.run_id and chosen.metric = paths.metric
    group by chosen.name
)

select
    summed.name,
    summed.num_problems,
    summed.estimate,
    clustered_low(summed.estimate, summed.variance, summed.num_problems, summed.num_attempts) as low,
    clustered_high(summed.estimate, summed.variance, summed.num_problems, summed.num_attempts) as high,
    compared.difference,
    compared.difference - compared.half_width as difference_low,
    compared.difference + compared.half_width as difference_high,
    waited.mean_path_tokens,
    waited.path_tokens_p50,
    waited.path_tokens_p95
from summed
left join compared on summed.name = compared.name
left join waited on summed.name = waited.name
