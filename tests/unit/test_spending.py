"""What answers cost: what replies say of it, the rule in Python against the one in SQL, and what a budget lets through."""

import asyncio
import itertools
from datetime import UTC, datetime

import duckdb
import pytest

from configs.experiment import Budget, Experiment
from configs.loading import validated
from configs.models import Price
from configs.schema import UserError
from tasks.engines.openai.replies import Sent, outcomes_of
from tasks.engines.openai.usage import dollars_shared_out
from tasks.engines.spending import COUNTED, Meter, Spending, dollars_of
from warehouse.relations import statement

SENT = Sent(7, datetime(2026, 1, 1, tzinfo=UTC), 1.5, 1)
PRICE = Price(input=1.0, output=4.0)


def completions(usage, *texts):
    choices = [
        {"index": i, "message": {"content": text}, "finish_reason": "stop"} for i, text in enumerate(texts)
    ]
    return outcomes_of({"choices": choices, "usage": usage}, SENT)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # https://platform.openai.com/docs/api-reference/chat/object
        (
            {
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920},
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
            (2006, 1920, 300, 200, None),
        ),
        # https://api-docs.deepseek.com/api/create-chat-completion
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 40,
                "total_tokens": 140,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            (100, 64, 40, 30, None),
        ),
        # https://openrouter.ai/docs/use-cases/usage-accounting
        (
            {
                "prompt_tokens": 194,
                "completion_tokens": 2,
                "total_tokens": 196,
                "cost": 0.95,
                "cost_details": {"upstream_inference_cost": 19},
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
            (194, 0, 2, 0, 0.95),
        ),
        # https://docs.x.ai/docs/guides/reasoning: reasoning stands beside the completion, and the total has both
        (
            {
                "prompt_tokens": 20,
                "completion_tokens": 5,
                "total_tokens": 325,
                "completion_tokens_details": {"reasoning_tokens": 300},
            },
            (20, None, 305, 300, None),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 3, "cost": {"total": 0.25}}, (5, None, 3, None, 0.25)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 3,
                "cost": -1,
                "prompt_tokens_details": {"cached_tokens": 99},
            },
            (5, 5, 3, None, None),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 3, "cost": "free", "prompt_tokens_details": [1]}, (5, None, 3, None, None)),
        ({}, (None,) * 5),
    ],
)  # fmt: skip
def test_usage_is_read_in_every_provider_s_form(usage, expected):
    [done] = completions(usage, "It is 5.")
    found = (
        done.num_billed_prompt_tokens,
        done.num_cached_prompt_tokens,
        done.num_completion_tokens,
        done.num_reasoning_tokens,
        done.billed_dollars,
    )
    assert found == expected


def test_a_grouped_request_is_shared_out_and_nothing_is_counted_twice():
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 41,
        "cost": 0.3,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    done = completions(usage, "a" * 10, "b" * 20, "c" * 30)
    assert [d.num_cached_prompt_tokens for d in done] == [64, 0, 0]
    assert sum(d.num_reasoning_tokens for d in done) == 7
    assert [d.billed_dollars for d in done] == pytest.approx([0.05, 0.1, 0.15])
    assert dollars_shared_out(0.2, [0, 0]) == [0.1, 0.1]


def test_python_and_sql_reckon_alike():
    prices = [PRICE, Price(input=1.0, output=4.0, cached_input=0.1, reasoning=3.0, batch=0.4)]
    counts = itertools.product(
        (None, 100), (None, 30), (None, 64, 200), (None, 20), (None, 0.5), (None, "batch")
    )
    with duckdb.connect() as connection:
        connection.execute(statement("macros/dollars_of"))
        for values, price in itertools.product(counts, prices):
            row = dict(zip(COUNTED, values, strict=True))
            connection.execute(
                "create or replace table trace as select $a::int num_billed_prompt_tokens, $b::int num_completion_tokens, "
                "$c::int num_cached_prompt_tokens, $d::int num_reasoning_tokens, $e::double billed_dollars, "
                "$f::text service_tier",
                dict(zip("abcdef", row.values(), strict=True)),
            )
            connection.execute(
                "create or replace table role as select $input::double price_input, $output::double price_output, "
                "$cached_input::double price_cached_input, $reasoning::double price_reasoning, $batch::double price_batch",
                price.model_dump(),
            )
            [(told,)] = connection.execute("select dollars_of(trace, role) from trace, role").fetchall()
            expected = dollars_of(row, price)
            assert (told is None) == (expected is None)
            assert expected is None or told == pytest.approx(expected)


def test_batch_cached_and_reasoning_tokens_have_prices_of_their_own():
    price = Price(input=1.0, output=4.0, cached_input=0.1, reasoning=3.0)
    row = {
        "num_billed_prompt_tokens": 100,
        "num_cached_prompt_tokens": 60,
        "num_completion_tokens": 30,
        "num_reasoning_tokens": 20,
    }
    whole = (40 * 1.0 + 60 * 0.1 + 10 * 4.0 + 20 * 3.0) / 1e6
    assert dollars_of(row, price) == pytest.approx(whole)
    assert dollars_of(row | {"service_tier": "batch"}, price) == pytest.approx(whole / 2)
    assert dollars_of(row, None) is None and dollars_of({}, price) is None


@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_budget_is_passed_by_less_than_what_was_in_flight(at_once):
    """Answers of unequal length from a stage with so many in flight: all that is sent comes back and is counted."""

    async def run():
        spending = Spending(Budget(tokens=10_000))
        meter, slots = Meter(None, 420, spending), asyncio.Semaphore(at_once)
        sent, largest = 0, 0

        async def one(number):
            for _ in range(1 + number % 5):
                await asyncio.sleep(0)
            meter.count({"num_completion_tokens": 50 + 37 * (number % 11)})
            spending.release(meter, 1)
            slots.release()

        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                await slots.acquire()
                if not await spending.admit(meter, 1):
                    break
                sent, largest = sent + 1, max(largest, meter.in_flight)
                group.create_task(one(number))
        return spending, sent, largest

    spending, sent, largest = asyncio.run(run())
    assert sent < 1000 and spending.is_reached
    assert 10_000 <= spending.tokens <= 10_000 + largest * 420
    assert spending.tokens <= 10_000 + 420 * min(at_once, 4), "with means known, by a few answers at most"
    assert spending.shown() == f"{spending.tokens:,} of 10,000 tokens"


def test_what_is_stored_is_spent_and_is_no_answer_of_this_run():
    spending = Spending(Budget(dollars=1.0))
    meter = Meter(PRICE, 64, spending)
    meter.count_stored([{"num_billed_prompt_tokens": 0, "num_completion_tokens": 250_000}])
    assert spending.is_reached and spending.dollars == 1.0 and meter.num_counted == 0
    assert asyncio.run(spending.admit(meter, 1)) is False
    assert spending.shown() == "$1.00 of 1.00"


def test_uncounted_tokens_are_taken_from_the_text():
    meter = Meter(None, 64, Spending(Budget(tokens=100)))
    meter.count({"answer": "x" * 400, "num_completion_tokens": None})
    assert meter.spending.is_reached


def test_budget_that_cannot_be_kept_is_refused():
    role = {"model": {"id": "m"}, "engine": {"kind": "openai", "base_url": "http://localhost:1/v1"}}
    data = {
        "name": "x",
        "benchmark": {"source": "generated"},
        "explorer": role,
        "budget": {"dollars": 5},
    }
    with pytest.raises(UserError, match=r"explorer\.model has no price"):
        validated(Experiment, data, "x")
    validated(Experiment, data | {"budget": {"tokens": 5}}, "x")
    role["engine"]["dialect"] = "openrouter"
    validated(Experiment, data, "x")
    with pytest.raises(UserError, match="has no limit"):
        validated(Experiment, data | {"budget": {}}, "x")
