-- Adds the answers of new parts, one row per trace; looks only at the same recipes' history.
insert into store.traces by name
select *
from found_answers as found
where
    not exists (
        select 1
        from store.traces as known
        where known.recipe = found.recipe and known.trace_id = found.trace_id
    )
order by recipe, problem_digest, sample_index
