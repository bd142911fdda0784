-- One row per run and explorer whose sampling ended once answers agreed: what that saved, and its vote against all N samples.
-- noqa: disable=RF02
create or replace view stopping as
with stopped as (
    select
        roles.run_id,
        roles.stage,
        roles.recipe,
        roles.n,
        runs.grader
    from store.roles
    inner join store.runs on roles.run_id = runs.run_id
    where roles.num_fixed < roles.n
),

asked as (
    select distinct
        stopped.*,
        members.problem_id,
        members.problem_digest,
        members.gold
    from stopped
    inner join store.members on stopped.run_id = members.run_id and stopped.stage = members.stage
),

answers as (
    select
        asked.run_id,
        asked.stage,
        asked.problem_id,
        asked.n,
        grades.vote_key,
        count(*) as num_samples,
        count(grades.is_correct) as num_attempts,
        count(*) filter (where grades.is_correct) as num_correct,
        if(grades.vote_key is null, 0, count(grades.is_correct)) as num_votes,
        sum(traces.num_billed_prompt_tokens + traces.num_completion_tokens) as num_tokens,
        sum(dollars_of(traces, roles)) as dollars
    from asked
    inner join store.roles on asked.run_id = roles.run_id and asked.stage = roles.stage
    inner join store.traces
        on
            asked.recipe = traces.recipe
            and asked.problem_digest = traces.problem_digest
            and asked.n > traces.sample_index
    left join store.grades
        on
            traces.recipe = grades.recipe
            and traces.trace_id = grades.trace_id
            and asked.grader = grades.grader
            and asked.gold = grades.gold
            and is_of_answer(grades.answer_digest, traces.answer_digest)
    group by asked.run_id, asked.stage, asked.problem_id, asked.n, grades.vote_key
),

full_votes as (
    select
        run_id,
        stage,
        problem_id,
        if(
            sum(num_attempts) = any_value(n),
            coalesce(avg(num_correct / num_attempts) filter (where num_votes = most and most > 0), 0.0),
            null
        ) as accuracy,
        if(sum(num_samples) = any_value(n), sum(num_tokens), null) as num_tokens,
        if(sum(num_samples) = any_value(n), sum(dollars), null) as dollars
    from (select *, max(num_votes) over (partition by run_id, stage, problem_id) as most from answers) as ranked
    group by run_id, stage, problem_id
),

paired as (
    select
        stopped.run_id,
        stopped.stage,
        stopped.n,
        results.num_samples,
        full_votes.num_tokens,
        full_votes.dollars,
        results.majority_accuracy as accuracy,
        full_votes.accuracy as full_accuracy,
        results.majority_accuracy - full_votes.accuracy as difference
    from stopped
    inner join store.problem_results as results on stopped.run_id = results.run_id and stopped.stage = results.stage
    left join full_votes
        on
            results.run_id = full_votes.run_id
            and results.stage = full_votes.stage
            and results.problem_id = full_votes.problem_id
)

select
    paired.run_id,
    paired.stage,
    count(*) as num_problems,
    count(*) filter (where paired.num_samples < paired.n) as num_stopped,
    sum(paired.num_samples)::bigint as num_samples,
    sum(paired.n)::bigint as num_full_samples,
    any_value(costs.num_tokens)::bigint as num_tokens,
    if(count(paired.num_tokens) = count(*), sum(paired.num_tokens), null)::bigint as num_full_tokens,
    any_value(costs.dollars) as dollars,
    if(count(paired.dollars) = count(*), sum(paired.dollars), null) as full_dollars,
    100 * (1 - sum(paired.num_samples) / sum(paired.n)) as saved_samples_percent,
    avg(paired.accuracy) as accuracy,
    count(paired.difference) as num_paired,
    avg(paired.full_accuracy) filter (where paired.difference is not null) as full_accuracy,
    avg(paired.difference) as difference,
    stddev_samp(paired.difference) / sqrt(count(paired.difference)) as standard_error,
    if(standard_error > 1e-12, avg(paired.difference) - student_t(num_paired - 1) * standard_error, null) as low,
    if(standard_error > 1e-12, avg(paired.difference) + student_t(num_paired - 1) * standard_error, null) as high
from paired
inner join costs on paired.run_id = costs.run_id and paired.stage = costs.stage
group by paired.run_id, paired.stage
