-- One row per run, stage, and stage that its answers rest on: what it reads, what that reads, and itself.
create or replace view stage_sources as
with recursive rests as (
    select
        run_id,
        stage,
        stage as source
    from store.roles
    union
    select
        rests.run_id,
        rests.stage,
        unnest(roles.reads) as source
    from rests
    inner join store.roles on rests.run_id = roles.run_id and rests.source = roles.stage
)

select
    run_id,
    stage,
    source
from rests
union all
select
    run_id,
    stage,
    unnest(members) as source
from pools()
where len(members) > 1
