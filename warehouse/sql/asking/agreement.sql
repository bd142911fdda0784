-- One row per stage of a run graded by a cascade, two of its graders, and which of them decided: how often they agree.
select
    agreement.stage,
    agreement.grader,
    agreement.other_grader,
    agreement.decided_by,
    agreement.num_both,
    agreement.num_agreed
from agreement
inner join runs on agreement.run_id = runs.run_id
where agreement.run_id = $run_id and runs.grader like 'cascade-%' -- noqa: RF02
order by all
