-- Dollars of one trace: what its provider billed, else its tokens at a role's prices; NULL where neither is known.
create or replace macro dollars_of(trace, priced) as
coalesce(
    trace.billed_dollars,
    if(
        trace.num_billed_prompt_tokens is null and trace.num_completion_tokens is null,
        null,
        (
            coalesce(trace.num_billed_prompt_tokens, 0) * priced.price_input
            + least(coalesce(trace.num_cached_prompt_tokens, 0), coalesce(trace.num_billed_prompt_tokens, 0))
            * (coalesce(priced.price_cached_input, priced.price_input) - priced.price_input)
            + coalesce(trace.num_completion_tokens, 0) * priced.price_output
            + least(coalesce(trace.num_reasoning_tokens, 0), coalesce(trace.num_completion_tokens, 0))
            * (coalesce(priced.price_reasoning, priced.price_output) - priced.price_output)
        )
        * if(trace.service_tier = 'batch', coalesce(priced.price_batch, 1), 1)
        / 1e6
    )
)
