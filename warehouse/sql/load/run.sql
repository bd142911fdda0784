-- Adds one run.
insert into store.runs
values (
    $run_id,
    $experiment,
    $description,
    $status,
    $benchmark,
    $grader,
    $num_problems,
    $started_at,
    $finished_at,
    $config,
    $versions,
    $servers,
    false,
    true,
    $warnings
)
