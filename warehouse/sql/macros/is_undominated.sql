-- Whether no other method of the group is as accurate for less, or more accurate for as much: the Pareto frontier, by windows.
create or replace macro is_undominated(compared, cost, accuracy) as
cost is not null
and accuracy >= max(accuracy) over (partition by compared order by cost)
and accuracy > coalesce(
    max(accuracy) over (
        partition by compared
        order by cost groups between unbounded preceding and 1 preceding
    ),
    -1
)
