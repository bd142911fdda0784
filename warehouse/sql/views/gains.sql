-- One row per run with a synthesizer: outcomes over its problems, and the gap from cons@N to pass@N that it closed.
create or replace view gains as
with judged as (
    select
        outcomes.run_id,
        suites.member,
        outcomes.outcome,
        outcomes.majority_accuracy as majority,
        outcomes.synthesizer_accuracy as synthesizer,
        if(outcomes.majority_accuracy is null, null, outcomes.is_any_right::integer) as any_right
    from synthesis_outcomes as outcomes
    left join store.suites on outcomes.run_id = suites.run_id and member_of(outcomes.problem_id) = suites.member
),

counted as (
    select
        run_id,
        count(*) filter (where outcome = 'kept') as num_kept,
        count(*) filter (where outcome = 'rescued') as num_rescued,
        count(*) filter (where outcome = 'harmed') as num_harmed,
        count(*) filter (where outcome = 'missed') as num_missed,
        count(*) filter (where outcome is null) as num_left_out
    from judged
    group by run_id
),

by_member as (
    select
        run_id,
        member,
        count(*) as num_problems,
        avg(majority) as cons_at_n,
        avg(synthesizer) as a2r,
        avg(any_right) as pass_at_n,
        avg(synthesizer - majority) as gain,
        avg(any_right - majority) as gap,
        var_samp(any_right - majority) / count(*) as gap_error,
        covar_samp(synthesizer - majority, any_right - majority) / count(*) as joint_error,
        var_samp(synthesizer - majority) / count(*) as gain_error
    from judged
    where majority is not null and synthesizer is not null
    group by run_id, member
),

averaged as (
    select
        run_id,
        sum(num_problems)::bigint as num_problems,
        avg(cons_at_n) as cons_at_n,
        avg(a2r) as a2r,
        avg(pass_at_n) as pass_at_n,
        avg(gain) as gain,
        avg(gap) as gap,
        if(
            count(gap_error) = count(*), student_t(sum(num_problems)::bigint - count(*)) ^ 2 / count(*) ^ 2, null
        ) as scale,
        sum(gap_error) as gap_error,
        sum(joint_error) as joint_error,
        sum(gain_error) as gain_error
    from by_member
    group by run_id
),

summed as (
    select
        *,
        gap ^ 2 - scale * gap_error as a,
        gain * gap - scale * joint_error as b,
        gain ^ 2 - scale * gain_error as c
    from averaged
)

select
    counted.run_id,
    summed.num_problems,
    counted.num_kept,
    counted.num_rescued,
    counted.num_harmed,
    counted.num_missed,
    counted.num_left_out,
    summed.cons_at_n,
    summed.a2r,
    summed.pass_at_n,
    100 * summed.gain / nullif(summed.gap, 0) as gap_closed_percent,
    if(summed.a > 1e-12, 100 * (summed.b - sqrt(greatest(summed.b ^ 2 - summed.a * summed.c, 0))) / summed.a, null) as low,
    if(summed.a > 1e-12, 100 * (summed.b + sqrt(greatest(summed.b ^ 2 - summed.a * summed.c, 0))) / summed.a, null) as high
from counted
left join summed on counted.run_id = summed.run_id
