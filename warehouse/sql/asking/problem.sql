-- The problem as the latest run that has it asked it, or the given run; no row where there is none.
select
    samples.run_id,
    problems.question,
    samples.gold,
    samples.problem_digest
from (from samples where problem_id = $problem_id and coalesce(run_id = $run_id, true)) as samples
inner join runs on samples.run_id = runs.run_id
inner join problems on samples.problem_digest = problems.problem_digest
order by runs.started_at desc
limit 1
