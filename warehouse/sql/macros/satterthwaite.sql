-- Degrees of freedom of a sum of independent means of which each has its standard error: Satterthwaite 1946, rounded down.
create or replace macro satterthwaite(standard_error, num_problems) as
floor(
    sum(standard_error ^ 2) ^ 2 / nullif(sum(standard_error ^ 4 / nullif(num_problems - 1, 0)), 0) + 1e-6
)::bigint
