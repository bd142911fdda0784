"""What replies mean, through the engine and over HTTP: answers, refusals, what may pass, what only a person can mend.

The files in tests/cases/endpoints are replies in the forms that providers document or that users reported.
"""

import asyncio
import json
import math
import time
from pathlib import Path

import orjson
import pytest
from endpoints.scripted import ScriptedEndpoint, events_of
from test_openai_engine import complete, request

from configs.engines import OpenAISettings
from configs.models import Model
from tasks.engines.endings import ending_of
from tasks.engines.openai.engine import OpenAIEngine
from tasks.engines.openai.pacing import FIRST_PAUSE_SECONDS
from tasks.engines.protocol import Completion, EngineError, Failure

CASES = Path(__file__).parents[1] / "cases/endpoints"


def case(name, status=200, kind="application/json"):
    """A recorded reply as the scripted endpoint sends it."""
    return status, (CASES / name).read_bytes(), kind


def after(num_good, fault):
    return lambda number, _: fault if number > num_good else None


def replied(endpoint, reply, **settings):
    """The one outcome of a request that is always answered with this."""
    endpoint.fault = lambda *_: reply
    [[outcome]] = complete(endpoint, request(7), **settings)
    return outcome


def choice(**values):
    message = {"role": "assistant", "content": "\\boxed{8}"}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"} | values]}


# --- answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (12.0, 12),
        (12.5, None),
        (-1, None),
        ("12", None),
        (True, None),
        (2**40, None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_unreadable_count_is_absent(endpoint, given, read):
    done = replied(endpoint, choice() | {"usage": {"prompt_tokens": given, "completion_tokens": given}})
    assert (done.answer, done.num_prompt_tokens, done.num_completion_tokens) == ("\\boxed{8}", read, read)


@pytest.mark.parametrize("usage", [[], "many", 3, {"prompt_tokens": []}])
def test_usage_of_another_form_is_absent(endpoint, usage):
    assert replied(endpoint, choice() | {"usage": usage}).num_prompt_tokens is None


def test_usage_in_the_names_of_newer_interfaces_is_read(endpoint):
    done = replied(endpoint, choice() | {"usage": {"input_tokens": 3, "output_tokens": 5}})
    assert (done.num_prompt_tokens, done.num_completion_tokens) == (3, 5)


def test_content_in_parts_is_reasoning_and_answer(endpoint):
    done = replied(endpoint, case("content-parts.json"))
    assert (done.reasoning, done.answer, len(endpoint.requests)) == ("I add", "\\boxed{8}", 1)


@pytest.mark.parametrize(
    ("message", "reasoning", "answer"),
    [
        (
            {"content": [{"type": "text", "text": "\\boxed"}, {"type": "text", "text": "{8}"}]},
            None,
            "\\boxed{8}",
        ),
        ({"content": "8", "thinking": "I add"}, "I add", "8"),
        ({"content": "8", "reasoning": [{"type": "summary_text", "text": "I add"}]}, "I add", "8"),
        ({"content": None, "refusal": "I will not."}, None, "I will not."),
        ({"content": {"type": "text", "text": "8"}}, None, "8"),
        ({"content": [{"type": "text", "text": {"value": "8"}}]}, None, "8"),
        ({"content": "8", "reasoning_details": [{"type": "reasoning.text", "text": "I add"}]}, "I add", "8"),
        ({"content": "8", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, None, "8"),
        ({"content": "8", "reasoning_text": "I add"}, "I add", "8"),
    ],
)
def test_texts_are_found_in_every_form(endpoint, message, reasoning, answer):
    done = replied(endpoint, choice(message=message))
    assert (done.reasoning, done.answer) == (reasoning, answer)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ((CASES / "lone-surrogate.json").read_bytes(), "\ufffd \\boxed{8}"),
        (orjson.dumps(choice(message={"content": "x 8"})).replace(b"x", b"\xff"), "\ufffd 8"),
        (json.dumps(choice(logprobs={"content": [{"logprob": float("nan")}]})).encode(), "\\boxed{8}"),
        (json.dumps(choice() | {"usage": {"prompt_tokens": float("inf")}}).encode(), "\\boxed{8}"),
        (b"\xef\xbb\xbf" + orjson.dumps(choice()), "\\boxed{8}"),
        (orjson.dumps({"choices": [{"text": "8", "finish_reason": "stop"}]}), "8"),
        (orjson.dumps({"choices": [{"delta": {"content": "8"}, "finish_reason": "stop"}]}), "8"),
        (
            b"\n".join(
                orjson.dumps({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": end}]})
                for text, end in (("\\boxed", None), ("{8}", None), ("", "stop"))
            ),
            "\\boxed{8}",
        ),
        (orjson.dumps(choice()) + b"\n" + orjson.dumps(choice()), "\\boxed{8}"),
    ],
    ids=[
        "half a character",
        "not UTF-8",
        "NaN",
        "Infinity",
        "byte order mark",
        "a text as before there were chats",
        "a piece as of a stream",
        "one object a line",
        "twice",
    ],
)
def test_reply_beyond_strict_json_is_read_and_paid_once(endpoint, body, answer):
    done = replied(endpoint, (200, body, "application/json"))
    assert (done.answer, len(endpoint.requests)) == (answer, 1)


@pytest.mark.parametrize(
    "tokens", [[{"logprob": None}], [{}], [None], "x", [{"logprob": -1}, {"logprob": None}]]
)
def test_absent_log_probability_is_absent_and_costs_no_answer(endpoint, tokens):
    done = replied(endpoint, choice(logprobs={"content": tokens}), logprobs=True)
    assert (done.answer, done.mean_logprob) == ("\\boxed{8}", None)


def test_events_that_nobody_asked_for_are_put_together(endpoint):
    done = replied(endpoint, case("sse.txt", kind="text/event-stream; charset=utf-8"))
    assert (done.answer, done.finish_reason, len(endpoint.requests)) == ("\\boxed{8}", "stop", 1)


def test_events_hold_several_choices_reasoning_and_usage(endpoint):
    pieces = [
        {"choices": [{"index": 1, "delta": {"role": "assistant", "content": "\\box"}}]},
        {"choices": [{"index": 0, "delta": {"reasoning_content": "I "}}]},
        {
            "choices": [
                {"index": 0, "delta": {"reasoning_content": "add", "content": "8"}, "finish_reason": "length"}
            ]
        },
        {"choices": [{"index": 1, "delta": {"content": "ed{8}"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 20}},
    ]
    text = b"".join(b": ping\r\n\r\ndata: " + orjson.dumps(piece) + b"\r\n\r\n" for piece in pieces)
    endpoint.fault = lambda *_: (200, text + b"data: [DONE]\r\n\r\n", "text/event-stream")
    [[first, second]] = complete(endpoint, request(7, 8))
    assert (first.reasoning, first.answer, first.finish_reason) == ("I add", "8", "length")
    assert (second.answer, second.num_prompt_tokens) == ("\\boxed{8}", 12)
    assert first.num_completion_tokens + second.num_completion_tokens == 20


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'data: {"choices":[{"index":0,"delta":{"content":"The sum"}}]}\n\n', "bad_reply"),
        (
            b'data: {"choices":[{"index":0,"delta":{"content":"T"}}]}\n\ndata: {"error":{"message":"gone"}}\n\n',
            "server_error",
        ),
    ],
)
def test_events_that_break_off_are_no_answer(endpoint, text, code):
    failed = replied(endpoint, (200, text, "text/event-stream"), retries=1)
    assert (failed.code, failed.is_transient) == (code, True)


# --- endings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        *(
            (r, "stop")
            for r in ("stop", "STOP", "eos", "eos_token", "end_turn", "COMPLETE", "stop_sequence", None, "")
        ),
        *(
            (r, "length")
            for r in ("length", "model_length", "max_tokens", "MAX_TOKENS", "MaxTokens", "max_output_tokens")
        ),
        *(
            (r, "length")
            for r in (
                "FINISH_REASON_MAX_TOKENS",
                "model_context_window_exceeded",
                "token_limit_reached",
                "num_predict",
            )
        ),
        *(
            (r, "failed")
            for r in ("abort", "error", "insufficient_system_resource", "network_error", "cancelled")
        ),
        *((r, "failed") for r in ("USER_CANCEL", "timeout", "server_overloaded", "internal_error", "OTHER")),
        ("insufficient_quota", "failed"),
        *((r, "filtered") for r in ("content_filter", "SAFETY", "RECITATION", "sensitive", "ERROR_TOXIC")),
    ],
)
def test_every_provider_s_finish_reason_has_its_ending(reason, ending):
    assert ending_of(reason) == ending


def test_unfinished_answer_of_a_busy_server_is_asked_for_again(endpoint):
    endpoint.fault = lambda number, _: case("interrupted.json") if number == 1 else None
    [[done]] = complete(endpoint, request(7))
    assert isinstance(done, Completion)
    assert done.num_tries == 2


@pytest.mark.parametrize(
    "reply",
    [
        case("interrupted.json"),
        case("choice-with-error.json"),
        case("choices-empty.json"),
        choice(message={"role": "assistant", "content": ""}),
        choice(message={"role": "assistant", "content": None}, finish_reason=None),
        choice(message=None),
        {"choices": [None]},
        {"choices": "none"},
        {"choices": {}},
        (200, b"[]", "application/json"),
        (200, b"7", "application/json"),
        (200, b"<html>log in</html>", "text/html"),
        (200, b"", "application/json"),
    ],
)
def test_what_is_no_answer_is_never_one(endpoint, reply):
    failed = replied(endpoint, reply, retries=1)
    assert isinstance(failed, Failure)
    assert (failed.is_transient, failed.num_tries) == (True, 2)


def test_reply_that_is_no_answer_is_paid_three_times_at_most(endpoint):
    failed = replied(endpoint, case("choices-empty.json"), retries=6)
    assert (failed.code, len(endpoint.requests)) == ("bad_reply", 3)


def test_broken_choice_costs_the_others_nothing(endpoint):
    broken = orjson.loads(case("choice-with-error.json")[1])["choices"][0]
    good = choice()["choices"][0]
    endpoint.fault = lambda number, _: {"choices": [good, broken | {"index": 1}]} if number == 1 else None
    [[first, second]] = complete(endpoint, request(7, 8))
    assert (first.answer, first.num_tries) == ("\\boxed{8}", 1)
    assert isinstance(second, Completion)
    assert len(endpoint.requests) == 2


# --- refusals ----------------------------------------------------------------------------------------


def test_flagged_prompt_is_refused_and_the_others_are_answered(endpoint):
    endpoint.fault = lambda number, _: case("flagged-403.json", 403) if number == 1 else None
    [[first], [second]] = complete(endpoint, request(7), request(8), concurrency=1)
    failed, done = sorted((first, second), key=lambda outcome: isinstance(outcome, Completion))
    assert (failed.code, failed.is_transient) == ("content_filter", False)
    assert "flagged by moderation" in failed.message
    assert isinstance(done, Completion)


@pytest.mark.parametrize("status", [403, 404])
def test_one_request_that_is_not_served_does_not_stop_the_others(endpoint, status):
    async def run():
        form = OpenAISettings(kind="openai", base_url=endpoint.base_url, retries=1, patience_seconds=1)
        engine = OpenAIEngine(Model(id="small"), form)
        await engine.start()
        outcomes = []
        try:
            for seed in range(5):
                await engine.complete(request(seed), lambda _, outcome: outcomes.append(outcome))
        finally:
            await engine.close()
        return outcomes

    endpoint.fault = lambda number, _: (
        (status, "No endpoints found for this request", {}) if number == 3 else None
    )
    outcomes = asyncio.run(run())
    assert [type(o) for o in outcomes] == [Completion, Completion, Failure, Completion, Completion]
    assert (outcomes[2].code, outcomes[2].is_transient) == ("not_served", True)
    assert "No endpoints found" in outcomes[2].message


@pytest.mark.parametrize(
    "words",
    [
        orjson.loads(case("n-refused.json")[1])["error"]["message"],
        "candidateCount must be 1",
        "Invalid value",
        "unknown field: n",
    ],
)
def test_n_that_is_refused_in_any_words_is_asked_one_by_one(words):
    with ScriptedEndpoint() as endpoint:
        endpoint.fault = lambda _, body: (400, words, {}) if body.get("n") else None
        [done] = complete(endpoint, request(1, 2, 3, 4))
        assert {d.seed for d in done} == {1, 2, 3, 4}
        assert len(endpoint.requests) == 5


def test_prompt_that_is_refused_with_and_without_n_costs_two_requests(endpoint):
    endpoint.fault = lambda *_: (400, "Invalid value", {})
    [failed] = complete(endpoint, request(1, 2, 3, 4))
    assert {f.code for f in failed} == {"bad_request"}
    assert len(endpoint.requests) == 2


# --- what only a person can mend ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (402, {"message": "Insufficient Balance"}),
        (402, {"message": "This request requires more credits, or fewer max_tokens"}),
        (
            429,
            {
                "message": "You exceeded your current quota",
                "type": "insufficient_quota",
                "code": "insufficient_quota",
            },
        ),
        (
            400,
            {"message": "Your credit balance is too low to access the API", "type": "invalid_request_error"},
        ),
        (403, {"message": "Sorry, your account balance is insufficient", "code": 30001}),
        (200, {"message": "Insufficient credits", "code": 402}),
        (429, {"code": "1113", "message": "您的账户已欠费，请充值后重试。"}),
        (
            400,
            {
                "message": "Budget has been exceeded! Max budget: 1.0",
                "type": "budget_exceeded",
                "code": "400",
            },
        ),
    ],
)
def test_used_up_credit_stops_the_engine_and_refuses_nothing(endpoint, status, error):
    endpoint.fault = after(1, (status, orjson.dumps({"error": error}), "application/json"))
    delivered = []

    async def run():
        engine = OpenAIEngine(Model(id="small"), OpenAISettings(kind="openai", base_url=endpoint.base_url))
        await engine.start()
        try:
            await engine.complete(request(1), lambda _, outcome: delivered.append(outcome))
            for seed in (2, 3, 4):
                with pytest.raises(EngineError, match="credit"):
                    await engine.complete(request(seed), lambda _, outcome: delivered.append(outcome))
        finally:
            await engine.close()

    asyncio.run(run())
    assert [type(outcome) for outcome in delivered] == [Completion]
    assert len(endpoint.requests) == 2, "nothing is sent once it is known"


def test_answers_in_flight_are_kept_where_the_engine_stops(endpoint):
    """The credit ends while an earlier request is still being answered."""
    delivered = []

    def fault(_, body):
        if body["seed"] == 2:
            return case("credit-used-up.json", 402)
        return ("slow", 0.5)

    async def run():
        engine = OpenAIEngine(Model(id="small"), OpenAISettings(kind="openai", base_url=endpoint.base_url))
        await engine.start()
        try:
            async with asyncio.TaskGroup() as group:
                for seed in (1, 2, 3):
                    group.create_task(engine.complete(request(seed), lambda _, o: delivered.append(o)))
                    await asyncio.sleep(0.05)
        finally:
            await engine.close()

    endpoint.fault = fault
    with pytest.raises(ExceptionGroup):
        asyncio.run(run())
    assert [outcome.seed for outcome in delivered] == [1]
    assert len(endpoint.requests) == 2


def test_key_is_hidden_wherever_a_reply_repeats_it(endpoint, monkeypatch):
    endpoint.key = "sk-very-secret-0123"
    monkeypatch.setenv("SOME_KEY", endpoint.key)
    for reply in (
        choice(error={"code": 502, "message": f"key {endpoint.key}"}),
        {"choices": [], "key": endpoint.key},
        (200, f"<html>{endpoint.key}".encode(), "text/html"),
        {"error": {"message": f"key {endpoint.key}"}},
    ):
        failed = replied(endpoint, reply, api_key_env="SOME_KEY", retries=0)
        assert "***" in failed.message
        assert endpoint.key not in failed.message


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "Your API key does not have permission for this model"),
        (400, "API key not valid. Please pass a valid API key."),
        (404, "The model `small` does not exist"),
        (304, ""),
        (400, "Unknown parameter: 'service_tier'."),
        (400, "User location is not supported for the API use."),
        (400, "Unable to access model small. Please visit the list of models."),
    ],
)
def test_what_every_request_would_meet_stops_the_engine_at_the_first(endpoint, status, message):
    endpoint.fault = lambda *_: (status, message, {})
    with pytest.raises(EngineError, match="check"):
        complete(endpoint, request(1))
    assert len(endpoint.requests) == 1


def test_key_that_is_taken_back_in_the_middle_is_noticed(endpoint):
    endpoint.fault = after(2, (403, "Forbidden", {}))
    with pytest.raises(EngineError, match="Forbidden"):
        complete(endpoint, *(request(seed) for seed in range(40)))
    assert len(endpoint.requests) <= 40


def test_key_from_a_file_may_end_in_a_newline(endpoint, monkeypatch):
    endpoint.key = "sk-right"
    monkeypatch.setenv("SOME_KEY", "sk-right\n")
    [[done]] = complete(endpoint, request(7), api_key_env="SOME_KEY")
    assert isinstance(done, Completion)


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-\u00e9"])
def test_what_cannot_be_a_key_is_named_and_hidden(endpoint, monkeypatch, key):
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(EngineError, match="SOME_KEY") as error:
        complete(endpoint, request(7), api_key_env="SOME_KEY")
    assert "sk-" not in str(error.value)


@pytest.mark.parametrize(
    "headers",
    [{"Content-Encoding": "gzip"}, {"Content-Encoding": "br"}, {"Content-Type": "\u00e9;;charset=x"}],
)
def test_reply_with_odd_headers_never_escapes(endpoint, headers):
    endpoint.fault = lambda *_: (500, "oh", headers)
    [[failed]] = complete(endpoint, request(7), retries=0)
    assert failed.is_transient


def test_key_that_may_not_list_models_may_be_used(endpoint):
    with ScriptedEndpoint(models_reply=case("models-403.json", 403)) as served:
        [[done]] = complete(served, request(7))
    assert isinstance(done, Completion)


def test_model_with_a_prefix_in_the_list_is_the_same_model():
    with ScriptedEndpoint(models_reply=case("models-prefixed.json")) as served:
        [[done]] = complete(served, request(7), model="m")
    assert isinstance(done, Completion)


# --- what may pass -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (case("choices-null-error.json"), "rate_limited", "upstream overloaded"),
        ({"error": {"message": "all slots busy", "code": "503"}}, "server_error", "all slots busy"),
        ({"error": {"message": "no slot", "type": "rate_limit_error"}}, "rate_limited", "no slot"),
        ({"object": "error", "message": "engine is asleep", "code": 500}, "server_error", "engine is asleep"),
        ({"choices": [], "error": {"message": "upstream gone"}}, "server_error", "upstream gone"),
        ({"detail": "worker restarting"}, "server_error", "worker restarting"),
        ((499, b"client closed request", "text/plain"), "server_error", "client closed"),
        ((202, b"", "application/json"), "bad_reply", "not whole JSON"),
        ((502, b"\x1b[31mBad\x07 gateway\x1b[0m", "text/html"), "server_error", "Bad"),
    ],
)
def test_errors_are_told_in_the_provider_s_words(endpoint, reply, code, words):
    failed = replied(endpoint, reply, retries=0, patience_seconds=0)
    assert (failed.code, failed.is_transient) == (code, True)
    assert words in failed.message
    assert failed.message.isprintable()


def some_at_once(endpoint, num_requests, most, **settings):
    """The outcomes of so many requests of which no more than `most` are under way, as a run's admission has it."""

    async def run():
        form = OpenAISettings(kind="openai", base_url=endpoint.base_url, **settings)
        engine, admitted, outcomes = OpenAIEngine(Model(id="small"), form), asyncio.Semaphore(most), []

        async def one(seed):
            async with admitted:
                await engine.complete(request(seed), lambda _, outcome: outcomes.append(outcome))

        await engine.start()
        try:
            await asyncio.gather(*(one(seed) for seed in range(num_requests)))
        finally:
            await engine.close()
        return outcomes

    return asyncio.run(run())


def test_endpoint_that_is_limited_for_a_while_loses_nothing_and_is_not_stormed(endpoint):
    endpoint.latency = 0.01
    limited_until = []

    def fault(number, _):
        now = asyncio.get_running_loop().time()
        if number == 21:
            limited_until.append(now + 2.5)
        return case("rate-limited.json", 429) if limited_until and now < limited_until[0] else None

    endpoint.fault = fault
    outcomes = some_at_once(endpoint, 100, most=16, patience_seconds=20, retries=1)
    assert [type(outcome) for outcome in outcomes] == [Completion] * 100
    assert len(endpoint.requests) <= 100 + 16 + 4, "what was in flight, then one after each pause"


def test_limit_per_time_is_kept_to_without_loss(endpoint):
    """Ten requests, then none until nobody has asked for a while: a storm would never be answered again."""
    last_asked, num_taken = -math.inf, 0

    def fault(*_):
        nonlocal last_asked, num_taken
        now = asyncio.get_running_loop().time()
        num_taken = num_taken + 1 if now - last_asked < FIRST_PAUSE_SECONDS / 2 else 1
        last_asked = now
        return case("rate-limited.json", 429) if num_taken > 10 else None

    endpoint.fault = fault
    outcomes = some_at_once(endpoint, 40, most=16, patience_seconds=60, retries=1)
    assert [type(outcome) for outcome in outcomes] == [Completion] * 40
    assert len(endpoint.requests) <= 40 + 4 * 2 * 16, (
        "of each ten, what is in flight is refused twice at most"
    )


def test_limit_that_never_ends_is_given_up_by_all_together(endpoint):
    endpoint.fault = after(20, case("rate-limited.json", 429))
    outcomes = some_at_once(endpoint, 100, most=16, patience_seconds=1, retries=6)
    lost = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert {(failure.code, failure.is_transient) for failure in lost} == {("rate_limited", True)}
    assert len(lost) == 80, "none is lost without a sentence"
    assert "requests per minute" in lost[0].message
    assert len(endpoint.requests) <= 20 + 16 + 10, "what was in flight, then one after each pause"


def test_other_replica_is_asked_where_one_is_limited(endpoint):
    with ScriptedEndpoint() as limited:
        limited.fault = lambda *_: (429, "slow down", {"Retry-After": "30"})
        urls = (limited.base_url, endpoint.base_url)
        form = OpenAISettings(kind="openai", base_url=urls, patience_seconds=60)

        async def run():
            engine, outcomes = OpenAIEngine(Model(id="small"), form), []
            await engine.start()
            try:
                for seed in range(10):
                    await engine.complete(request(seed), lambda _, outcome: outcomes.append(outcome))
            finally:
                await engine.close()
            return outcomes

        outcomes = asyncio.run(run())
        assert [type(outcome) for outcome in outcomes] == [Completion] * 10
        assert len(limited.requests) <= 1


def test_request_that_is_always_turned_away_is_given_up_while_others_are_answered(endpoint, monkeypatch):
    monkeypatch.setattr("tasks.engines.openai.retrying.MAX_TURNED_AWAY", 3)
    endpoint.fault = lambda _, body: (
        (429, "Request too large", {"Retry-After": "0"}) if body["seed"] == 1 else None
    )
    outcomes = some_at_once(endpoint, 12, most=2, patience_seconds=60)
    [lost] = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert (lost.code, lost.is_transient, lost.num_tries) == ("rate_limited", True, 4)
    assert len(endpoint.requests) == 11 + 4


def test_list_of_models_that_is_limited_for_ever_is_an_error_soon():
    with (
        ScriptedEndpoint(models_reply=case("rate-limited.json", 429)) as served,
        pytest.raises(EngineError, match="requests per minute"),
    ):
        complete(served, request(7), retries=1)


@pytest.mark.parametrize("most", [4, 40])
def test_dead_engine_behind_a_living_api_is_noticed(endpoint, monkeypatch, most):
    """As vLLM's: its process and its API go on, /health says 503, and completions never come."""
    monkeypatch.setattr("tasks.engines.openai.health.EVERY_SECONDS", 0.1)
    endpoint.health = lambda: 503 if len(endpoint.requests) > 6 else 200
    endpoint.fault = lambda number, _: ("hang", 600) if number > 6 else None
    began = time.monotonic()
    with pytest.raises(BaseException) as stopped:  # a group of the same error where several were under way
        some_at_once(endpoint, 40, most=most, concurrency=4, timeout_seconds=600)
    assert "the engine behind it is dead" in str(stopped.value)
    assert time.monotonic() - began < 300, "long before the requests' own limit"
    assert len(endpoint.requests) <= 6 + 4


@pytest.mark.parametrize("from_the_start", [False, True])
def test_silent_health_is_believed_once_a_reply_may_be_silent_no_longer(
    endpoint, monkeypatch, from_the_start
):
    monkeypatch.setattr("tasks.engines.openai.health.EVERY_SECONDS", 0.05)
    monkeypatch.setattr(
        "tasks.engines.openai.health.ASK_SECONDS", 0.5
    )  # a connection takes a while on a busy machine
    endpoint.health = lambda: 0 if endpoint.requests or from_the_start else 200
    endpoint.fault = lambda *_: ("hang", 60)
    with pytest.raises(BaseException) as stopped:
        some_at_once(endpoint, 8, most=4, concurrency=4, timeout_seconds=2, idle_seconds=2, stream=True)
    assert "/health is silent" in str(stopped.value) and "the engine behind it is dead" in str(stopped.value)
    assert len(endpoint.requests) <= 4


def test_silent_health_of_a_server_that_streams_is_not_believed(endpoint, monkeypatch):
    monkeypatch.setattr("tasks.engines.openai.health.EVERY_SECONDS", 0.02)
    monkeypatch.setattr("tasks.engines.openai.health.ASK_SECONDS", 0.1)
    endpoint.health = lambda: 0 if endpoint.requests else 200

    def slowly(_, body):
        events = events_of(endpoint._reply(body), body)
        return ("stream", [step for event in events for step in (event, 0.1)])

    endpoint.fault = slowly
    outcomes = some_at_once(
        endpoint, 4, most=4, concurrency=4, timeout_seconds=0.4, idle_seconds=0.4, stream=True
    )
    assert [type(outcome) for outcome in outcomes] == [Completion] * 4
    assert len(endpoint.requests) == 4


DEATHS = [
    "EngineCore encountered an issue. See stack trace (above) for the root cause.",
    "vllm.v1.engine.exceptions.EngineDeadError",
    "Background loop has errored already.",
    "AsyncEngineDeadError: Background loop is stopped",
]


@pytest.mark.parametrize("message", DEATHS)
def test_error_that_names_the_engine_s_death_stops_the_stage_at_once(endpoint, message):
    endpoint.fault = lambda number, _: (500, message, {}) if number > 6 else None
    with pytest.raises(BaseException) as stopped:
        some_at_once(endpoint, 40, most=4, concurrency=4, retries=6)
    assert "says that its engine is dead" in str(stopped.value) and "Restart the server" in str(stopped.value)
    assert len(endpoint.requests) <= 6 + 3 + 4


def test_one_dead_engine_of_several_behind_an_address_stops_nothing(endpoint):
    endpoint.fault = lambda number, _: (500, DEATHS[0], {}) if number % 5 == 0 else None
    outcomes = some_at_once(endpoint, 40, most=1, concurrency=1, retries=6)
    assert [type(outcome) for outcome in outcomes] == [Completion] * 40


def test_bad_health_of_a_server_that_answers_is_not_believed(endpoint, monkeypatch):
    monkeypatch.setattr("tasks.engines.openai.health.EVERY_SECONDS", 0.02)
    endpoint.health = lambda: 503 if endpoint.requests else 200
    endpoint.latency = 0.05
    outcomes = some_at_once(endpoint, 40, most=4, concurrency=4)
    assert [type(outcome) for outcome in outcomes] == [Completion] * 40


def test_endpoint_that_answers_nothing_but_errors_is_not_stormed(endpoint):
    endpoint.fault = lambda *_: (500, "for ever", {})
    outcomes = some_at_once(endpoint, 120, most=40, concurrency=40, retries=20, patience_seconds=2)
    assert {(outcome.code, outcome.is_transient) for outcome in outcomes} == {("server_error", True)}
    assert len(endpoint.requests) <= 120 + 64 + 8, "each once, the free ones, and one per second"
