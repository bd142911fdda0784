-- Lower end of the 95 % interval of a macro-average: squared distances to the benchmarks' own ends add up (Zou & Donner 2008).
create or replace macro macro_low(estimate, low) as
case
    when count(low) < count(*) then null
    when count(*) = 1 then any_value(low)
    else greatest(avg(estimate) - sqrt(sum((estimate - low) ^ 2)) / count(*), 0.0)
end
