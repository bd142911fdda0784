-- One row per wording among the given ones, with every id and the metadata that a benchmark gives it.
select
    problem_digest,
    any_value(question) as question,
    arg_max(metadata, len(metadata)) as metadata,
    list(distinct problem_id) as problem_ids
from problems
where problem_digest in (select unnest($problem_digests::varchar[]))
group by problem_digest
