-- One row per value that a column of the listed problems' metadata has, in natural order, so many at most.
with held as (
    select
        unnest(
            coalesce(
                try_cast(json_extract(metadata, $pointer) as varchar[]),
                [json_extract_string(metadata, $pointer)]
            )
        ) as value
    from listed
)

select value
from held
where value is not null
group by value
order by natural_order(value)
limit $most
