-- Adds the judge of a run.
insert into store.judges
values (
    $run_id,
    $model,
    $params,
    $price_input,
    $price_output,
    $price_cached_input,
    $price_reasoning,
    $price_batch,
    $recipe
)
