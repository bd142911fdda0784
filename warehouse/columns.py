"""The columns of a stored trace, as the one place that lists them; `records` makes their Parquet schema.

Columns are only ever added at the end: a part never changes, so every earlier layout is a beginning of the present one.
"""

TRACE_COLUMNS = {
    "trace_id": "string",
    "problem_id": "string",
    "problem_digest": "string",
    "sample_index": "int32",
    "seed": "int64",
    "choice_index": "int32",
    "status": "string",
    "finish_reason": "string",
    "reasoning": "string",
    "answer": "string",
    "num_prompt_tokens": "int32",
    "num_billed_prompt_tokens": "int32",
    "num_completion_tokens": "int32",
    "started_at": "timestamp",
    "latency_seconds": "float64",
    "num_tries": "int32",
    "reference_ids": "strings",
    "error_code": "string",
    "error_message": "string",
    "mean_logprob": "float64",
    "score": "float64",
    "answer_digest": "string",
    "num_cached_prompt_tokens": "int32",
    "num_reasoning_tokens": "int32",
    "billed_dollars": "float64",
    "service_tier": "string",
    "selected_id": "string",
    "group_confidence": "float64",
}
"""The kind of each: string, strings (a list), int32, int64, float64, or timestamp in microseconds of UTC."""
