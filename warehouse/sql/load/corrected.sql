-- Marks the runs that have problems which these verdicts by hand are about, settled or not.
update store.runs
set is_stale = true
where
    run_id in (
        select members.run_id
        from store.members
        where members.problem_digest in (select problem_digest from read_parquet($files)) -- noqa: RF02
    )
