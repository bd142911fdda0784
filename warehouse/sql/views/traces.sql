-- One row per trace, its text read from Parquet; a failed one has an error and no text.
-- noqa: disable=RF02
create or replace view traces as
with present as (
    select
        file,
        parse_filename(file) as part,
        regexp_extract(file, 'recipe=([0-9a-f]{16})', 1) as recipe
    from glob(trace_files())
),

-- the file is named, so that of all files only those are opened that have what is asked for
placed as (
    select
        known.*,
        present.file
    from store.traces as known
    inner join present on known.part = present.part
    union all
    -- its part was merged by compaction since this catalog was published: any of the recipe has its texts
    select
        moved.*,
        present.file
    from (from store.traces where part not in (select listed.part from present as listed)) as moved
    inner join present on moved.recipe = present.recipe
)

select
    files.trace_id,
    files.stage,
    files.recipe,
    files.problem_id,
    files.problem_digest,
    files.sample_index,
    files.status,
    files.finish_reason,
    files.reasoning,
    files.answer,
    files.reference_ids,
    files.seed,
    files.choice_index,
    files.num_prompt_tokens,
    files.num_billed_prompt_tokens,
    files.num_completion_tokens,
    files.started_at,
    files.latency_seconds,
    known.* exclude ( -- columns that files of earlier layouts lack
        trace_id,
        stage,
        recipe,
        problem_id,
        problem_digest,
        sample_index,
        seed,
        choice_index,
        status,
        finish_reason,
        num_prompt_tokens,
        num_billed_prompt_tokens,
        num_completion_tokens,
        started_at,
        latency_seconds,
        num_tries,
        reference_ids,
        answer_digest,
        part,
        file
    ),
    files.num_tries,
    files.error_code,
    files.error_message
from read_parquet(trace_files(), hive_partitioning = true, hive_types_autocast = false, filename = true) as files
inner join placed as known
    on
        files.filename = known.file
        and files.trace_id = known.trace_id
        and files.problem_id = known.problem_id
        and files.started_at is not distinct from known.started_at
where files.status <> 'error'
union all by name
select
    trace_id,
    stage,
    recipe,
    problem_id,
    problem_digest,
    sample_index,
    'error' as status,
    started_at,
    num_tries,
    error_code,
    error_message
from store.failures
