-- One row per stale run: the number of traces that it wanted, and whether its samples were made before.
select
    runs.run_id,
    count(members.run_id) as num_members,
    runs.run_id in (select results.run_id from store.stage_results as results) as is_reduced
from store.runs
left join
    (
        select run_id
        from store.members
        where run_id in (select stale.run_id from store.runs as stale where stale.is_stale)
    ) as members
    on runs.run_id = members.run_id
where runs.is_stale
group by runs.run_id
order by runs.run_id
