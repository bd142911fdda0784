-- One row per benchmark, explorer and synthesizer: the synthesizer's accuracy in the latest of the given runs.
select
    runs.benchmark,
    runs.explorer,
    runs.synthesizer,
    runs.run_id,
    metrics.estimate,
    metrics.low,
    metrics.high,
    metrics.num_problems
from runs
inner join metrics on runs.run_id = metrics.run_id and metrics.metric = 'a2r'
where runs.run_id in (select unnest($run_ids::varchar[]))
qualify
    row_number() over (
        partition by runs.benchmark, runs.explorer, runs.synthesizer
        order by runs.started_at desc, runs.run_id desc
    ) = 1
order by runs.benchmark, runs.explorer, runs.synthesizer
