-- What answers to one trace are ranked by: the lowest one counts, NULL is highest (the rule of `warehouse/winner.py`).
create or replace macro answer_rank(started_at, latency_seconds, num_completion_tokens, answer_digest) as
{
    'started_at': started_at,
    'latency_seconds': latency_seconds,
    'num_completion_tokens': num_completion_tokens,
    'answer_digest': answer_digest
}
