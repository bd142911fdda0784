-- One row per explorer of a run that has all its samples, and agreement: what ending them once answers agree would have saved.
-- noqa: disable=RF02
create or replace macro replay_stopping(id, agreements, first_size, step_size) as table
    with explored as (
        select
            run_id,
            stage,
            n
        from store.roles
        where run_id = id and round = 0 and num_fixed = n
    ),

    sizes as (
        select list_distinct(list_concat(range(first_size, coalesce(max(n), 1), step_size), list(n))) as ks
        from explored
    ),

    sized as (
        select
            votes.*,
            explored.n
        from votes_of([id], (select sizes.ks from sizes)) as votes
        inner join explored on votes.run_id = explored.run_id and votes.stage = explored.stage
        where votes.k = explored.n or (votes.k < explored.n and (votes.k - first_size) % step_size = 0)
    ),

    spent as (
        select
            sized.run_id,
            sized.stage,
            sized.problem_id,
            sized.k,
            sum(samples.num_billed_prompt_tokens + samples.num_completion_tokens) as num_tokens,
            sum(dollars_of(samples, roles)) as dollars
        from sized
        inner join store.roles as roles on sized.run_id = roles.run_id and sized.stage = roles.stage
        inner join store.samples as samples
            on
                sized.run_id = samples.run_id
                and sized.stage = samples.stage
                and sized.problem_id = samples.problem_id
                and sized.k > samples.sample_index
        group by sized.run_id, sized.stage, sized.problem_id, sized.k
    ),

    ended as (
        select
            sized.run_id,
            sized.stage,
            sized.problem_id,
            wanted.agreement,
            sized.n,
            coalesce(min(sized.k) filter (where sized.num_votes / sized.k >= wanted.agreement), sized.n) as k
        from sized
        cross join (select unnest(agreements)::double as agreement) as wanted
        group by sized.run_id, sized.stage, sized.problem_id, wanted.agreement, sized.n
    ),

    paired as (
        select
            ended.*,
            stopped.cons_at_k as accuracy,
            whole.cons_at_k as full_accuracy,
            less.num_tokens,
            spent.num_tokens as num_full_tokens,
            less.dollars,
            spent.dollars as full_dollars
        from ended
        inner join sized as stopped
            on
                ended.run_id = stopped.run_id
                and ended.stage = stopped.stage
                and ended.problem_id = stopped.problem_id
                and ended.k = stopped.k
        inner join sized as whole
            on
                ended.run_id = whole.run_id
                and ended.stage = whole.stage
                and ended.problem_id = whole.problem_id
                and ended.n = whole.k
        inner join spent
            on
                ended.run_id = spent.run_id
                and ended.stage = spent.stage
                and ended.problem_id = spent.problem_id
                and ended.n = spent.k
        inner join spent as less
            on
                ended.run_id = less.run_id
                and ended.stage = less.stage
                and ended.problem_id = less.problem_id
                and ended.k = less.k
        where stopped.cons_at_k is not null and whole.cons_at_k is not null
    )

    select
        run_id,
        stage,
        agreement,
        count(*) as num_problems,
        count(*) filter (where k < n) as num_stopped,
        sum(k)::bigint as num_samples,
        sum(n)::bigint as num_full_samples,
        sum(num_tokens)::bigint as num_tokens,
        sum(num_full_tokens)::bigint as num_full_tokens,
        sum(dollars) as dollars,
        sum(full_dollars) as full_dollars,
        100 * (1 - sum(k) / sum(n)) as saved_samples_percent,
        avg(accuracy) as accuracy,
        avg(full_accuracy) as full_accuracy,
        avg(accuracy - full_accuracy) as difference,
        stddev_samp(accuracy - full_accuracy) / sqrt(count(*)) as standard_error,
        if(standard_error > 1e-12, difference - student_t(count(*) - 1) * standard_error, null) as low,
        if(standard_error > 1e-12, difference + student_t(count(*) - 1) * standard_error, null) as high
    from paired
    group by run_id, stage, agreement
    order by stage, agreement
