-- One row per benchmark, problem and wording among these ids and digests.
select distinct
    benchmark,
    problem_id,
    problem_digest
from store.problems
where list_contains($ids::varchar[], problem_id) or list_contains($ids::varchar[], problem_digest)
