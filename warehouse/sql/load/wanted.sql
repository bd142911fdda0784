-- One row per stale run and trace it wanted, with the recipe it is made by and the run's grader.
create or replace temp table wanted as
select
    members.*,
    roles.recipe,
    runs.grader
from store.members
inner join store.runs on members.run_id = runs.run_id
inner join store.roles on members.run_id = roles.run_id and members.stage = roles.stage
where runs.is_stale
