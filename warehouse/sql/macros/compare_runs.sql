-- One row per metric: run b minus run a, paired by problem; see `compare_to`.
create or replace macro compare_runs(run_a, run_b) as table
    from compare_to([run_a], run_b) -- noqa: RF02
