-- The unweighted mean of the estimates of a suite's benchmarks; NULL where one has none. Of a single benchmark, its own.
create or replace macro macro_average(estimate) as
if(count(estimate) = count(*), avg(estimate), null)
