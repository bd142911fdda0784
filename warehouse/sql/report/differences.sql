-- One row per wording of which both runs have a value, the largest differences first; beside it how many there are of each kind.
with valued as (
    select
        *,
        rowid as place_in_list,
        case $metric
            when 'mean' then num_explored_correct / nullif(num_explored_attempts, 0)
            when 'cons' then majority_accuracy
            else num_synthesized_correct / nullif(num_synthesized_attempts, 0)
        end as value
    from listed
    where run_id in ($a, $b)
    qualify row_number() over (partition by run_id, problem_digest order by rowid) = 1
),

paired as (
    select
        later.problem_id,
        later.question,
        later.gold,
        earlier.outcome as outcome_before,
        later.outcome as outcome_after,
        earlier.value as before,
        later.value as after,
        later.value - earlier.value as difference,
        later.place_in_list
    from valued as later
    inner join valued as earlier on later.problem_digest = earlier.problem_digest
    where later.run_id = $b and earlier.run_id = $a and later.value is not null and earlier.value is not null  -- noqa: RF02
),

counted as (
    select
        *,
        before < 0.5 and after > 0.5 as is_gained,
        before > 0.5 and after < 0.5 as is_lost,
        count(*) over () as num_all,
        count(*) filter (where difference > 0) over () as num_better,
        count(*) filter (where difference < 0) over () as num_worse,
        count(*) filter (where difference = 0) over () as num_same,
        count(*) filter (where before < 0.5 and after > 0.5) over () as num_gained,
        count(*) filter (where before > 0.5 and after < 0.5) over () as num_lost,
        avg(before) over () as mean_before,
        avg(after) over () as mean_after
    from paired
)

select * exclude (is_gained, is_lost, place_in_list)
from counted
where
    case $kind
        when 'better' then difference > 0
        when 'worse' then difference < 0
        when 'same' then difference = 0
        when 'gained' then is_gained
        when 'lost' then is_lost
        else true
    end
order by abs(difference) desc, place_in_list
limit $num_rows offset $num_before
