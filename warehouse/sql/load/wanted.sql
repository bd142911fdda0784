-- One row per stale run and trace it wanted, with the recipe it is made by and the run's grader.
create or replace temp table wanted as
with members as (
    select *
    from store.members
    where
        rowid in ( -- as in known.sql
            select held.rowid
            from store.members as held
            where held.run_id in (select runs.run_id from store.runs where runs.is_stale)
        )
)

select
    members.*,
    roles.recipe,
    runs.grader
from members
inner join store.runs on members.run_id = runs.run_id
inner join store.roles on members.run_id = roles.run_id and members.stage = roles.stage
