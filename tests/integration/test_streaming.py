"""Streamed replies against a scripted server: time is a thousandth of what it is for a model that thinks for half an hour."""

from collections import Counter

import orjson
import pytest
from endpoints.scripted import ScriptedEndpoint, events_of
from test_openai_engine import complete, request

from tasks.engines.openai.bodies import LEARNT
from tasks.engines.protocol import Completion, EngineError, Failure

FAST = {"stream": True, "first_token_seconds": 20.0, "idle_seconds": 0.4, "samples_per_request": 1}
PATIENT = FAST | {"idle_seconds": 5.0}
"""For many streams at once, which a busy machine may well keep waiting."""
PIECE = {"choices": [{"index": 0, "delta": {"content": "The sum "}}]}


@pytest.fixture(autouse=True)
def endpoint():
    LEARNT.clear()
    with ScriptedEndpoint(streams=True) as endpoint:
        yield endpoint


def script(endpoint, *steps, times=1):
    """Answer the first so many requests of each seed by these steps, the others well."""
    seen = Counter()

    def fault(_, body):
        seen[body["seed"]] += 1
        return ("stream", list(steps)) if seen[body["seed"]] <= times else None

    endpoint.fault = fault


def test_streamed_answer_is_the_one_that_is_not(endpoint):
    endpoint.reasoning_field = "reasoning_content"
    plain = complete(endpoint, request(7, 8, 9), stream=False, logprobs=True)
    assert "stream" not in endpoint.requests[0]
    streamed = complete(endpoint, request(7, 8, 9), stream=True)
    assert endpoint.requests[-1]["stream_options"] == {"include_usage": True}
    assert len(endpoint.requests) == 2
    seen = (
        "reasoning",
        "answer",
        "finish_reason",
        "num_prompt_tokens",
        "num_completion_tokens",
        "choice_index",
    )
    assert [[getattr(o, name) for name in seen] for [*os] in streamed for o in os] == [
        [getattr(o, name) for name in seen] for [*os] in plain for o in os
    ]
    assert sum(o.num_completion_tokens for o in streamed[0]) == 75


def test_logprobs_are_streamed(endpoint):
    [[done]] = complete(endpoint, request(7), stream=True, logprobs=True)
    assert done.mean_logprob == pytest.approx(-0.2)


def test_long_answers_are_streamed_by_themselves_and_short_ones_are_not(endpoint):
    long = request(7)._replace(sampling=request(7).sampling.model_copy(update={"max_tokens": 32768}))
    complete(endpoint, request(7), long)
    assert sorted(bool(body.get("stream")) for body in endpoint.requests) == [False, True]


def test_half_an_hour_of_tokens_is_one_request(endpoint):
    """It takes three times what a whole reply may take, first token and all; no silence in it is too long."""

    def slowly(number, body):
        reply = endpoint._reply(body)
        reply["choices"][0]["message"]["content"] = "1+1=2, so " * 60 + "\\boxed{5}"
        return ("stream", [0.09, b": ping\n\n", *events_of(reply, body, pause=0.01)])

    endpoint.fault = slowly
    done = complete(endpoint, *map(request, range(20)), **PATIENT, timeout_seconds=0.5)
    assert all(isinstance(o, Completion) and o.answer.endswith("\\boxed{5}") for [o] in done)
    assert all(o.latency_seconds > 1.5 and o.num_completion_tokens == 25 for [o] in done)
    assert len(endpoint.requests) == 20


@pytest.mark.parametrize(
    "beginning",
    [[1.2], [b": OPENROUTER PROCESSING\n\n", 0.6] * 2, [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}, 1.2]],
)  # fmt: skip
def test_silence_before_the_first_token_is_patiently_waited_for(endpoint, beginning):
    endpoint.fault = lambda _, body: ("stream", [*beginning, *events_of(endpoint._reply(body), body)])
    [[done]] = complete(endpoint, request(7), **FAST)
    assert isinstance(done, Completion)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("steps", "code", "field"),
    [
        ([PIECE, 60], "timeout", "engine.idle_seconds"),
        ([PIECE, *([b": ping\n\n", 0.1] * 100)], "timeout", "engine.idle_seconds"),
        ([PIECE, "reset"], "connection", ""),
        ([PIECE, "cut"], "bad_reply", "finish_reason"),
        ([PIECE, {"error": {"message": "engine died", "code": 500}}], "server_error", "engine died"),
        ([PIECE, b'data: {"choices": [{"ind\n\n', b"data: [DONE]\n\n"], "bad_reply", ""),
    ],
)  # fmt: skip
def test_broken_stream_is_one_try_and_what_arrived_no_answer(endpoint, steps, code, field):
    script(endpoint, *steps)
    [[done]] = complete(endpoint, request(7), **FAST)
    assert isinstance(done, Completion)
    assert done.num_tries == len(endpoint.requests) == 2
    endpoint.reset()
    script(endpoint, *steps, times=99)
    [[failed]] = complete(endpoint, request(7), **FAST | {"retries": 6 if code != "server_error" else 2})
    assert isinstance(failed, Failure)
    assert (failed.code, len(endpoint.requests)) == (code, 3)
    assert field in failed.message


def test_stalls_and_cuts_lose_nothing_and_send_nothing_twice_without_cause(endpoint):
    """Of 120 answers one breaks in each of two ways; all others are sent once."""
    broken = {3: [PIECE, 60], 50: [PIECE, "reset"]}
    asked = Counter()

    def fault(_, body):
        asked[body["seed"]] += 1
        ends = events_of(endpoint._reply(body), body, size=40)
        return (
            "stream",
            broken[body["seed"]] if body["seed"] in broken and asked[body["seed"]] == 1 else ends,
        )

    endpoint.fault = fault
    done = complete(endpoint, *map(request, range(120)), **PATIENT)
    assert all(isinstance(o, Completion) for [o] in done)
    assert {seed for seed, count in asked.items() if count > 1} == set(broken)
    assert len(endpoint.requests) / 120 <= 1.02


def test_no_first_token_in_time_is_sent_again_once_and_says_what_to_raise(endpoint):
    script(endpoint, b": ping\n\n", 60, times=99)
    [[failed]] = complete(endpoint, request(7), **FAST | {"first_token_seconds": 0.3, "retries": 6})
    assert (failed.code, len(endpoint.requests)) == ("timeout", 2)
    assert "engine.first_token_seconds (0.3)" in failed.message


def test_reply_too_late_as_a_whole_is_streamed_the_next_time(endpoint):
    """Ten answers that take longer than the limit on whole replies: ten tries are lost, not seventy."""
    endpoint.fault = lambda _, body: None if body.get("stream") else ("slow", 30)
    done = complete(endpoint, *map(request, range(10)), retries=6, timeout_seconds=0.3)
    assert all(isinstance(o, Completion) and o.num_tries == 2 for [o] in done)
    assert len(endpoint.requests) == 20
    complete(endpoint, request(11), timeout_seconds=0.3)
    assert len(endpoint.requests) == 21


def test_reply_too_late_without_streaming_is_sent_again_once_and_says_what_to_set(endpoint):
    endpoint.fault = lambda *_: ("slow", 30)
    [[failed]] = complete(endpoint, request(7), retries=6, timeout_seconds=0.2, stream=False)
    assert (failed.code, len(endpoint.requests)) == ("timeout", 2)
    assert "engine.timeout_seconds (0.2)" in failed.message
    assert "engine.stream" in failed.message


@pytest.mark.parametrize(
    ("last", "counts"), [([60], None), (["reset"], None), ([b"data: [DONE]\n\n", 60], None), (["cut"], None)]
)
def test_answer_whose_end_was_said_is_one_however_the_connection_ends(endpoint, last, counts):
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    script(endpoint, PIECE, PIECE, end, *last, times=99)
    [[done]] = complete(endpoint, request(7), **FAST)
    assert (done.answer, done.num_completion_tokens, len(endpoint.requests)) == ("The sum The sum", counts, 1)


def test_choices_interleaved_are_counted_together_and_one_that_broke_is_asked_for_alone(endpoint):
    def second_breaks(number, body):
        events = events_of(endpoint._reply(body), body)
        if number == 1:
            end = {"index": 1, "delta": {}, "finish_reason": "stop"}
            events = [e for e in events if isinstance(e, dict) and e["choices"] != [end]]
        return ("stream", events)

    endpoint.fault = second_breaks
    [outcomes] = complete(endpoint, request(1, 2, 3), stream=True)
    assert all(isinstance(o, Completion) for o in outcomes)
    assert [body.get("n") for body in endpoint.requests] == [3, None]
    assert endpoint.requests[1]["seed"] == 2


def test_server_that_does_not_stream_answers_all_the_same(endpoint):
    endpoint.streams = False
    [[done]] = complete(endpoint, request(7), **FAST)
    assert done.num_completion_tokens == 25


def refused(message, **more):
    return orjson.dumps({"error": {"message": message, "type": "invalid_request_error"} | more})


EXTRA = [
    {
        "type": "extra_forbidden",
        "loc": ["body", "stream_options", "include_usage"],
        "msg": "Extra inputs are not permitted",
    }
]


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (
            422,
            orjson.dumps({"object": "error", "message": {"detail": EXTRA}, "type": "invalid_request_error"}),
        ),
        (422, orjson.dumps({"detail": EXTRA})),
        (400, refused("Unrecognized request argument supplied: stream_options", param=None)),
        (
            400,
            refused("Unknown parameter: 'stream_options'.", param="stream_options", code="unknown_parameter"),
        ),
    ],
)
def test_refused_stream_options_are_learnt(endpoint, status, refusal):
    endpoint.fault = lambda _, body: (
        (status, refusal, "application/json") if "stream_options" in body else None
    )
    [[done], [more]] = [complete(endpoint, request(seed), **FAST)[0] for seed in (7, 8)]
    assert done.num_completion_tokens is more.num_completion_tokens is None
    assert [body["stream"] for body in endpoint.requests] == [True] * 3


O1 = "Unsupported value: 'stream' does not support true with this model. Supported values are: false."
GPT_5 = "Your organization must be verified to stream this model. Please go to: https://platform.openai.com/settings"


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (400, refused(O1, param="stream", code="unsupported_value")),
        (400, refused(GPT_5, param="stream", code="unsupported_value")),
        (403, b'{"message":"Streaming requests are not yet allowed."}'),
        (400, b'{"error":"streaming is not supported for this model"}'),
        (501, b'{"detail":"This endpoint does not support streaming"}'),
    ],
)
@pytest.mark.parametrize("num", [1, 3])
def test_refused_streaming_is_learnt(endpoint, status, refusal, num):
    endpoint.fault = lambda _, body: (status, refusal, "application/json") if body.get("stream") else None
    [outcomes] = complete(endpoint, request(*range(num)), stream=True)
    assert all(isinstance(o, Completion) for o in outcomes)
    assert ["stream" in body for body in endpoint.requests] == [True, False]


def test_error_inside_the_stream_means_what_it_would_mean_as_a_reply(endpoint):
    error = {"error": {"message": "This model's maximum context length is 4096 tokens", "code": 400}}
    script(endpoint, error, times=99)
    [[failed]] = complete(endpoint, request(7), **FAST)
    assert (failed.code, len(endpoint.requests)) == ("context_overflow", 1)
    script(endpoint, {"error": {"message": "Incorrect API key provided", "code": 401}}, times=99)
    with pytest.raises(EngineError, match="API key"):
        complete(endpoint, request(7), **FAST)
