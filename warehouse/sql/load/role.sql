-- Adds one role of a run.
insert into store.roles
values (
    $run_id,
    $stage,
    $model,
    $revision,
    $params,
    $price_input,
    $price_output,
    $price_cached_input,
    $price_reasoning,
    $price_batch,
    $recipe,
    $engine,
    $prompt,
    $n,
    $temperature,
    $max_tokens,
    $num_references,
    $num_wanted,
    $num_blocked,
    $place,
    $round,
    $reads,
    $settings,
    $stored_as
)
