-- Adds the answers of new parts, one row a trace; looks only at the same recipes' history.
insert into store.traces by name
select
    found.trace_id,
    found.stage,
    found.recipe,
    found.problem_digest,
    found.sample_index,
    found.seed,
    found.choice_index,
    found.status,
    found.finish_reason,
    found.num_prompt_tokens,
    found.num_billed_prompt_tokens,
    found.num_completion_tokens,
    found.started_at,
    found.latency_seconds,
    found.mean_logprob,
    found.score,
    found.num_tries,
    coalesce(found.reference_ids, []) as reference_ids,
    parse_filename(found.filename) as part
from (
    from read_parquet($files, hive_partitioning = true, hive_types_autocast = false, filename = true, union_by_name = true)
    union all by name
    select -- columns that parts of earlier layouts lack
        null::double as mean_logprob,
        null::double as score
    where false
) as found
where
    found.status <> 'error'
    and not exists (
        select 1
        from store.traces as held
        where held.recipe = found.recipe and held.trace_id = found.trace_id
    )
qualify row_number() over (partition by found.trace_id order by found.filename) = 1
order by found.recipe, found.problem_digest, found.sample_index
