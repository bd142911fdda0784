-- One row per run, stage, problem and k: the vote of its first k samples, among those taken whatever they said.
-- For any list of runs and of k (NULL: those shown).
create or replace macro votes_of(run_ids, sizes) as table
    with asked as (
        select
            run_id,
            stage,
            unnest(coalesce(sizes, ks(n)))::integer as k -- noqa: RF02
        from pools()
        where run_id in (select unnest(run_ids)) -- noqa: RF02
    ),

    votes as (
        select
            samples.run_id,
            asked.stage,
            samples.problem_id,
            asked.k,
            samples.vote_key,
            count(samples.is_correct) as num_attempts,
            count(samples.is_correct) filter (where samples.vote_key is not null) as num_votes,
            count(*) filter (where samples.is_correct) as num_correct
        from store.samples as samples
        inner join pooled() as pooled on samples.run_id = pooled.run_id and samples.stage = pooled.stage
        inner join asked
            on
                pooled.run_id = asked.run_id
                and pooled.pool = asked.stage
                and pooled_index(pooled.member_sizes, pooled.number, samples.sample_index) < asked.k
                and samples.sample_index < pooled.num_fixed
        where samples.run_id in (select unnest(run_ids)) -- noqa: RF02
        group by all
    ),

    ranked as (
        select
            *,
            max(num_votes) over (partition by run_id, stage, problem_id, k) as most
        from votes
    )

    select
        run_id,
        stage,
        problem_id,
        k,
        sum(num_attempts)::integer as num_attempts,
        any_value(most)::integer as num_votes,
        list(vote_key order by vote_key) filter (where num_votes = most and most > 0) as answers,
        if(sum(num_attempts) >= k, sum(num_correct) / sum(num_attempts), null) as mean_at_k,
        if(
            sum(num_attempts) >= k,
            coalesce(avg(num_correct / num_attempts) filter (where num_votes = most and most > 0), 0.0),
            null
        ) as cons_at_k
    from ranked
    group by run_id, stage, problem_id, k
