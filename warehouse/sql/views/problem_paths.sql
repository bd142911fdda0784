-- One row per run, metric and problem: tokens and seconds on the critical path to the answer.
-- A trace's path is its own length and the longest path among the references it was shown; a vote waits for its longest sample.
-- A problem that a stage left to the vote waits for the samples that the stage would have read.
create or replace view problem_paths as
with recursive known as (
    select
        samples.run_id,
        samples.stage,
        samples.problem_id,
        samples.trace_id,
        samples.num_completion_tokens as tokens,
        samples.latency_seconds as seconds,
        traces.reference_ids
    from store.samples
    inner join store.roles on samples.run_id = roles.run_id and samples.stage = roles.stage
    inner join store.traces on roles.recipe = traces.recipe and samples.trace_id = traces.trace_id
),

shown as (
    select
        run_id,
        stage,
        problem_id,
        trace_id,
        tokens,
        seconds,
        unnest(reference_ids) as reference_id
    from known
),

paths as (
    select
        run_id,
        stage,
        problem_id,
        trace_id,
        tokens,
        seconds
    from known
    where len(reference_ids) = 0
    union all
    select
        shown.run_id,
        shown.stage,
        shown.problem_id,
        shown.trace_id,
        shown.tokens + if(count(paths.tokens) = count(*), max(paths.tokens), null) as tokens,
        shown.seconds + if(count(paths.seconds) = count(*), max(paths.seconds), null) as seconds
    from paths
    inner join shown
        on
            paths.run_id = shown.run_id
            and paths.problem_id = shown.problem_id
            and paths.trace_id = shown.reference_id
    group by shown.run_id, shown.stage, shown.problem_id, shown.trace_id, shown.tokens, shown.seconds
),

longest as ( -- a trace that reads stages of several depths waits for the deepest
    select
        run_id,
        stage,
        problem_id,
        trace_id,
        if(count(tokens) = count(*), max(tokens), null) as tokens,
        if(count(seconds) = count(*), max(seconds), null) as seconds
    from paths
    group by run_id, stage, problem_id, trace_id
),

left_out as (
    select
        run_id,
        stage,
        reads,
        unnest(left_to_vote) as problem_id
    from store.roles
),

votes as (
    select
        run_id,
        stage,
        problem_id,
        unnest(reads) as voter
    from left_out
    union
    select
        votes.run_id,
        votes.stage,
        votes.problem_id,
        unnest(left_out.reads) as voter
    from votes
    inner join left_out
        on votes.run_id = left_out.run_id and votes.voter = left_out.stage and votes.problem_id = left_out.problem_id
),

answers as (
    select
        run_id,
        stage,
        problem_id,
        false as is_vote,
        tokens,
        seconds
    from longest
    union all
    select
        votes.run_id,
        votes.stage,
        votes.problem_id,
        true as is_vote,
        longest.tokens,
        longest.seconds
    from votes
    inner join longest
        on votes.run_id = longest.run_id and votes.voter = longest.stage and votes.problem_id = longest.problem_id
)

select
    metrics.run_id,
    metrics.metric,
    metrics.problem_id,
    metrics.stage,
    if(metrics.measure = 'mean' and not bool_or(answers.is_vote), avg(answers.tokens), max(answers.tokens)) as path_tokens,
    if(metrics.measure = 'mean' and not bool_or(answers.is_vote), avg(answers.seconds), max(answers.seconds)) as path_seconds
from problem_metrics as metrics
inner join pooled() as pooled on metrics.run_id = pooled.run_id and metrics.stage = pooled.pool
inner join answers
    on metrics.run_id = answers.run_id and pooled.stage = answers.stage and metrics.problem_id = answers.problem_id
where metrics.measure <> 'pass'
group by metrics.run_id, metrics.metric, metrics.measure, metrics.problem_id, metrics.stage
