-- One row per run graded by a cascade, stage, two of its graders, and which of them decided.
select agreement.*
from agreement
inner join runs on agreement.run_id = runs.run_id
where list_contains($run_ids, agreement.run_id) and runs.grader like 'cascade-%' -- noqa: RF02
order by all
