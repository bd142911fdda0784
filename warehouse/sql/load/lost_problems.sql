-- One row: whether a problem is in none of the parts.
select count(*) > 0 as is_lost
from (
    select
        benchmark,
        problem_id,
        problem_digest
    from store.problems
    except
    select
        benchmark,
        problem_id,
        problem_digest
    from read_parquet($files)
) as missing
