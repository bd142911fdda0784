-- One row per run, the newest first, at most so many: its headline (the synthesizer, else the vote, else one sample) and cost.
with chosen as (
    select *
    from runs
    where coalesce(experiment = $experiment, true)
    order by started_at desc, run_id desc
    limit $num_runs
),

headlines as (
    select *
    from metrics
    where metric in ('mean@1', 'a2r') or regexp_matches(metric, '^(stopped-)?cons@')
    qualify
        row_number() over (
            partition by run_id order by case when metric = 'a2r' then 1 when contains(metric, 'cons@') then 2 else 3 end
        ) = 1
),

spent as (
    select
        run_id,
        sum(num_tokens)::bigint as num_tokens,
        if(count(*) = count(dollars), sum(dollars), null) as dollars,
        if(count(*) = count(petaflops), sum(petaflops), null) as petaflops
    from costs
    group by run_id
)

select
    chosen.run_id,
    chosen.experiment,
    chosen.status,
    chosen.benchmark,
    chosen.num_problems,
    headlines.metric,
    headlines.estimate,
    headlines.low,
    headlines.high,
    headlines.num_problems as num_measured,
    spent.num_tokens,
    spent.dollars,
    spent.petaflops,
    chosen.started_at,
    chosen.finished_at
from chosen
left join headlines on chosen.run_id = headlines.run_id
left join spent on chosen.run_id = spent.run_id
order by chosen.started_at desc, chosen.run_id desc
