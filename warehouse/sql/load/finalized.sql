-- Marks stale runs as up to date; one of which every sample has its verdict can never change again.
update store.runs
set
    is_stale = false,
    is_settled = run_id not in (
        select run_id
        from store.samples
        where
            run_id in (select stale.run_id from store.runs as stale where stale.is_stale)
            and (verdict is null or verdict = 'infra_error')
    )
where is_stale
