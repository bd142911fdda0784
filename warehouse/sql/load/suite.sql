-- Adds one benchmark of one run of a suite.
insert into store.suites by name
select
    $run_id as run_id,
    $member as member,
    $benchmark as benchmark,
    $num_problems as num_problems,
    $place as place
