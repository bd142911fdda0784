-- Adds what the samples of stale runs came to, problem by problem.
insert into store.problem_results by name
with fresh as (
    select
        samples.run_id,
        pooled.pool as stage,
        samples.problem_id,
        samples.problem_digest,
        samples.vote_key,
        samples.verdict,
        samples.is_correct,
        samples.sample_index < pooled.num_fixed as is_fixed,
        if(samples.is_correct is null, null, coalesce(samples.points, samples.is_correct::integer)) as points,
        if(samples.is_correct is null, null, samples.mean_logprob) as mean_logprob,
        if(samples.is_correct is null, null, samples.group_confidence) as group_confidence,
        if(samples.is_correct is null, null, samples.score) as score
    from store.samples as samples
    inner join pooled() as pooled on samples.run_id = pooled.run_id and samples.stage = pooled.stage
    where samples.run_id in (select runs.run_id from store.runs as runs where runs.is_stale)
),

best as (
    select
        run_id,
        stage,
        problem_id,
        avg(is_correct::integer) filter (where score >= most_score) as by_score,
        avg(is_correct::integer) filter (where mean_logprob >= most_logprob) as by_logprob
    from (
        select
            *,
            max(score) over problem as most_score,
            max(mean_logprob) over problem as most_logprob
        from fresh
        where score is not null or mean_logprob is not null
        window problem as (partition by run_id, stage, problem_id)
    ) as chosen
    group by run_id, stage, problem_id
),

answers as (
    select
        run_id,
        stage,
        problem_id,
        vote_key,
        any_value(problem_digest) as problem_digest,
        count(*) as num_samples,
        count(is_correct) as num_attempts,
        count(*) filter (where is_correct) as num_correct,
        count(is_correct) filter (where is_fixed) as num_fixed_attempts,
        count(*) filter (where is_correct and is_fixed) as num_fixed_correct,
        count(*) filter (where verdict = 'truncated') as num_truncated,
        count(mean_logprob) as num_logprobs,
        count(group_confidence) as num_confidences,
        count(score) as num_scores,
        sum(points) filter (where is_fixed) as points,
        if(vote_key is null, 0, count(is_correct)) as num_votes,
        if(vote_key is null, null, sum(exp(mean_logprob))) as by_logprob,
        if(vote_key is null, null, sum(group_confidence)) as by_confidence,
        if(vote_key is null, null, sum(score)) as by_score
    from fresh
    group by run_id, stage, problem_id, vote_key
),

ranked as (
    select
        *,
        max(num_votes) over problem as most_votes,
        max(by_logprob) over problem * (1 - 1e-12) as most_by_logprob,
        max(by_confidence) over problem * (1 - 1e-12) as most_by_confidence,
        max(by_score) over problem * (1 - 1e-12) as most_by_score
    from answers
    window problem as (partition by run_id, stage, problem_id)
),

summed as (
    select
        run_id,
        stage,
        problem_id,
        any_value(problem_digest) as problem_digest,
        sum(num_samples) as num_samples,
        sum(num_attempts) as num_attempts,
        sum(num_correct) as num_correct,
        sum(num_fixed_attempts) as num_fixed_attempts,
        sum(num_fixed_correct) as num_fixed_correct,
        coalesce(avg(num_correct / num_attempts) filter (where num_votes = most_votes and most_votes > 0), 0.0) as majority,
        sum(num_truncated) as num_truncated,
        sum(num_logprobs) as num_logprobs,
        sum(num_confidences) as num_confidences,
        sum(num_scores) as num_scores,
        sum(points) as points,
        sum(num_votes) as num_voters,
        max(num_votes) as num_votes,
        count(*) filter (where num_votes > 0) as num_answers,
        count(*) filter (where num_votes > 0 and 2 * num_correct > num_attempts) as num_right_answers,
        log2(nullif(sum(num_votes), 0)) - sum(num_votes * log2(nullif(num_votes, 0))) / sum(num_votes) as vote_entropy,
        avg(num_correct / num_attempts) filter (where by_logprob >= most_by_logprob) as logprob_majority,
        avg(num_correct / num_attempts) filter (where by_confidence >= most_by_confidence) as confidence_majority,
        avg(num_correct / num_attempts) filter (where by_score >= most_by_score) as score_majority
    from ranked
    group by run_id, stage, problem_id
)

select
    summed.run_id,
    summed.stage,
    summed.problem_id,
    summed.problem_digest,
    summed.num_samples,
    summed.num_attempts,
    summed.num_correct,
    summed.num_truncated,
    summed.num_samples - summed.num_attempts as num_errors,
    summed.num_fixed_correct / nullif(summed.num_fixed_attempts, 0) as accuracy,
    summed.num_voters,
    summed.num_votes,
    summed.num_answers,
    summed.num_right_answers,
    if(summed.num_voters > 0, greatest(summed.vote_entropy, 0.0), null) as vote_entropy,
    if(
        pools.num_fixed = pools.n,
        votes.cons_at_k,
        if(summed.num_attempts = summed.num_samples, summed.majority, null)
    ) as majority_accuracy,
    if(
        summed.num_attempts >= pools.n and summed.num_scores = summed.num_attempts,
        best.by_score,
        null
    ) as best_accuracy,
    if(
        summed.num_attempts >= pools.n and summed.num_scores = summed.num_attempts and stages.lowest_score >= 0,
        coalesce(summed.score_majority, 0.0),
        null
    ) as score_majority_accuracy,
    if(
        summed.num_attempts >= pools.n and summed.num_logprobs = summed.num_attempts,
        coalesce(summed.logprob_majority, 0.0),
        null
    ) as logprob_majority_accuracy,
    if(
        summed.num_attempts >= pools.n and summed.num_confidences = summed.num_attempts,
        coalesce(summed.confidence_majority, 0.0),
        null
    ) as confidence_majority_accuracy,
    if(
        summed.num_attempts >= pools.n and summed.num_logprobs = summed.num_attempts,
        best.by_logprob,
        null
    ) as logprob_best_accuracy,
    summed.points / nullif(summed.num_fixed_attempts, 0) as mean_points,
    summed.num_fixed_attempts,
    summed.num_fixed_correct
from summed
inner join pools() as pools on summed.run_id = pools.run_id and summed.stage = pools.stage
inner join store.stage_results as stages on summed.run_id = stages.run_id and summed.stage = stages.stage
left join best
    on summed.run_id = best.run_id and summed.stage = best.stage and summed.problem_id = best.problem_id
left join
    (
        from store.cons_at_k
        where run_id in (select runs.run_id from store.runs as runs where runs.is_stale)
    ) as votes
    on
        summed.run_id = votes.run_id
        and summed.stage = votes.stage
        and summed.problem_id = votes.problem_id
        and pools.n = votes.k
order by summed.run_id, summed.stage, summed.problem_id
