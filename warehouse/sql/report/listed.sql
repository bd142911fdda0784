-- One row per listed problem that the filters leave, so many from the first on; beside it how many there are of each outcome.
with matching as (
    select
        *,
        rowid as place_in_list
    from listed
    where
        ($wanted_run is null or run_id = $wanted_run)
        and ($verdict is null or list_contains(verdicts, $verdict))
        and len(list_filter($words::varchar[], lambda word: not contains(lower(concat_ws(' ', problem_id, question)), word))) = 0
        and (
            $pointer is null
            or len(
                list_filter(
                    coalesce(
                        try_cast(json_extract(metadata, $pointer) as varchar[]),
                        [json_extract_string(metadata, $pointer)]
                    ),
                    lambda held: held is not null
                    and case $sign
                        when 'any' then true
                        when '<' then try_cast(held as double) < $bound
                        when '<=' then try_cast(held as double) <= $bound
                        when '>' then try_cast(held as double) > $bound
                        when '>=' then try_cast(held as double) >= $bound
                        else held = $wanted
                    end
                )
            ) > 0
        )
),

counted as (
    select
        count(*) as num_all,
        count(*) filter (where outcome = 'rescued') as num_rescued,
        count(*) filter (where outcome = 'harmed') as num_harmed,
        count(*) filter (where outcome = 'missed' and is_any_right) as num_missed_any,
        count(*) filter (where outcome = 'missed') as num_missed,
        count(*) filter (where outcome = 'kept') as num_kept,
        count(*) filter (where outcome is null) as num_unjudged
    from matching
),

chosen as (
    select
        *,
        case $sort
            when 'explorer' then num_explored_correct / nullif(num_explored_attempts, 0)
            when 'synthesizer' then num_synthesized_correct / nullif(num_synthesized_attempts, 0)
            when 'tokens' then num_tokens
        end as number_key,
        case $sort
            when 'problem' then natural_order(problem_id)
            when 'run' then run_id
            when 'question' then question
            when 'gold' then natural_order(gold)
            when 'vote' then array_to_string(majority, ' ')
            when 'outcome' then coalesce(outcome, '')
        end as text_key
    from matching
    where
        case $outcome
            when '' then true
            when 'missed-any' then outcome = 'missed' and is_any_right
            when 'unjudged' then outcome is null
            else outcome = $outcome
        end
    order by
        number_key is null,
        if($is_down, -number_key, number_key),
        if($is_down, null, text_key),
        if($is_down, text_key, null) desc,
        place_in_list
    limit $num_rows offset $num_before
)

select
    chosen.* exclude (number_key, text_key, place_in_list), -- noqa: RF02
    counted.*
from chosen
cross join counted
