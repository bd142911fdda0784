-- One row per run and pool, samples that are counted together: each stage, and all explorers where there are several.
create or replace macro pools() as table
    with staged as (
        select
            *,
            case
                when round = 0 then count(*) over (partition by run_id, round) = 1
                else place = max(place) over (partition by run_id)
            end as is_main
        from store.roles
    )

    select
        run_id,
        stage,
        [stage] as members,
        [n] as member_sizes,
        [num_fixed] as member_fixed,
        n,
        num_fixed,
        place,
        round,
        is_main
    from staged
    union all
    select
        run_id,
        'explorers' as stage,
        list(stage order by place) as members,
        list(n order by place) as member_sizes,
        list(num_fixed order by place) as member_fixed,
        sum(n)::integer as n,
        sum(num_fixed)::integer as num_fixed,
        -1 as place,
        0 as round,
        true as is_main
    from staged
    where round = 0
    group by run_id
    having count(*) > 1
