-- One row per run and stage.
create or replace view costs as
select
    stages.run_id,
    stages.stage,
    roles.model,
    stages.num_prompt_tokens,
    stages.num_completion_tokens,
    stages.num_prompt_tokens + stages.num_completion_tokens as num_tokens,
    stages.num_uncounted,
    stages.num_attempts,
    stages.num_correct,
    (stages.num_prompt_tokens * roles.price_input + stages.num_completion_tokens * roles.price_output) / 1e6 as dollars,
    2 * roles.params * (stages.num_prompt_tokens + stages.num_completion_tokens) / 1e15 as petaflops,
    num_tokens / nullif(stages.num_correct, 0) as tokens_per_correct,
    dollars / nullif(stages.num_correct, 0) as dollars_per_correct,
    petaflops / nullif(stages.num_correct, 0) as petaflops_per_correct
from store.stage_results as stages
inner join store.roles on stages.run_id = roles.run_id and stages.stage = roles.stage
