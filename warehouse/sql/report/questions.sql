-- One row per wording among the given ones.
select distinct on (problem_digest)
    problem_digest,
    question
from problems
where problem_digest in (select unnest($problem_digests::varchar[]))
