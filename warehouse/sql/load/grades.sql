-- Adds the grades of new parts, one row per trace, grader, gold answer and judged answer.
insert into store.grades by name
with found as materialized (
    select
        *,
        regexp_extract(filename, 'part-([0-9a-f]{16})-[0-9a-f]{16}\.parquet$', 1) as recipe
    from (
        from read_parquet($files, hive_partitioning = true, hive_types_autocast = false, filename = true, union_by_name = true)
        union all by name
        select points, answer_digest, decided_by -- columns that parts of earlier layouts lack
        from store.grades
        where false
    ) as read
),

known as (
    select
        recipe,
        trace_id,
        grader,
        gold,
        answer_digest
    from store.grades
    where
        rowid in ( -- as in known.sql
            select held.rowid
            from store.grades as held
            where held.problem_digest in (select distinct found.problem_digest from found)
        )
)

select found.* exclude (filename) -- noqa: RF03
from found
where
    not exists (
        select 1
        from known
        where
            known.recipe = found.recipe
            and known.trace_id = found.trace_id
            and known.grader = found.grader
            and known.gold = found.gold
            and known.answer_digest is not distinct from found.answer_digest
    )
qualify
    row_number() over (
        partition by found.trace_id, found.grader, found.gold, found.answer_digest
        order by found.filename
    ) = 1
order by list_position($files, found.filename), found.problem_digest -- verdicts that are looked for together lie together
