-- Upper end of the 95 % interval of a macro-average: squared distances to the benchmarks' own ends add up (Zou & Donner 2008).
create or replace macro macro_high(estimate, high) as
case
    when count(high) < count(*) then null
    when count(*) = 1 then any_value(high)
    else least(avg(estimate) + sqrt(sum((high - estimate) ^ 2)) / count(*), 1.0)
end
