-- The name of the benchmark that a suite has a problem from, which the problem's id begins with.
create or replace macro member_of(problem_id) as
split_part(problem_id, '/', 1)
