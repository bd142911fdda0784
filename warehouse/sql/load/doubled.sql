-- Forgets answers in new parts that do not count, since another one there to the same trace does.
-- Few traces have several, and only these are ranked.
delete from found_answers
where
    rowid in (
        select ranked.place
        from (
            select
                found.rowid as place,
                row_number() over (
                    partition by found.recipe, found.trace_id
                    order by
                        answer_rank(
                            found.started_at, found.latency_seconds, found.num_completion_tokens, found.answer_digest
                        ),
                        found.part
                ) as number
            from found_answers as found
            inner join (
                select
                    recipe,
                    trace_id
                from found_answers
                group by recipe, trace_id
                having count(*) > 1
            ) as several
                on found.recipe = several.recipe and found.trace_id = several.trace_id
        ) as ranked
        where ranked.number > 1
    )
