-- One row per run, pool and stage in it, with the stage's number among them, from 0.
create or replace macro pooled() as table
    select
        run_id,
        stage as pool,
        member_sizes,
        unnest(members) as stage,
        unnest(member_fixed)::integer as num_fixed,
        unnest(range(len(members)))::integer as number
    from pools()
