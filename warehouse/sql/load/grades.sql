-- Adds the grades of new parts, one row per trace, grader and gold answer.
insert into store.grades by name
select
    found.trace_id,
    found.grader,
    found.gold,
    found.verdict,
    found.is_correct,
    found.extracted,
    found.vote_key,
    found.points,
    regexp_extract(found.filename, 'part-([0-9a-f]{16})-[0-9a-f]{16}\.parquet$', 1) as recipe
from (
    from read_parquet($files, hive_partitioning = true, hive_types_autocast = false, filename = true, union_by_name = true)
    union all by name
    select points from store.grades -- a column that parts of the earlier layout lack
    where false
) as found
where
    not exists (
        select 1
        from store.grades as held
        where
            held.recipe = regexp_extract(found.filename, 'part-([0-9a-f]{16})-[0-9a-f]{16}\.parquet$', 1)
            and held.trace_id = found.trace_id
            and held.grader = found.grader
            and held.gold = found.gold
    )
qualify row_number() over (partition by found.trace_id, found.grader, found.gold order by found.filename) = 1
