"""The endpoint engine against a scripted server: retries, grouping, splitting, refusals."""

import asyncio
import time

import pytest
from endpoints.scripted import ScriptedEndpoint

from configs.engines import OpenAISettings
from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.openai.engine import OpenAIEngine
from tasks.engines.protocol import Completion, EngineError, Failure, Message, Request


def request(*seeds, temperature=1.0, **sampling):
    return Request(
        messages=(Message("user", "What is 2 plus 3 ?"),),
        sampling=Sampling(temperature=temperature, max_tokens=32, **sampling),
        seeds=seeds or (7,),
        question="q",
        sample_indexes=tuple(range(len(seeds or (7,)))),
    )


def complete(endpoint, *requests, model="small", **settings):
    """Every request's outcomes, in order of place."""
    form = OpenAISettings(
        kind="openai", base_url=endpoint.base_url, **{"retries": 3, "patience_seconds": 1, **settings}
    )

    async def run():
        engine = OpenAIEngine(Model(id=model), form)
        await engine.start()
        try:
            held = [{} for _ in requests]
            await asyncio.gather(
                *(engine.complete(r, h.__setitem__) for r, h in zip(requests, held, strict=True))
            )
            return [[h[place] for place in sorted(h)] for h in held]
        finally:
            await engine.close()

    return asyncio.run(run())


def test_completion_has_text_reasoning_tokens_and_times(endpoint):
    [[done]] = complete(endpoint, request(7))
    assert isinstance(done, Completion)
    assert done.reasoning.startswith("let me see")
    assert "boxed" in done.answer and "think" not in done.answer
    assert (done.finish_reason, done.seed, done.num_completion_tokens) == ("stop", 7, 25)
    assert done.latency_seconds > 0


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_field_is_taken_before_think_tags(endpoint, field):
    endpoint.reasoning_field = field
    endpoint.answer = lambda *_: "\\boxed{5}"
    [[done]] = complete(endpoint, request(7))
    assert (done.reasoning, done.answer) == ("because", "\\boxed{5}")


def test_every_setting_is_sent_and_absent_ones_are_not(endpoint):
    complete(endpoint, request(7, top_k=20, enable_thinking=False, extra={"logit_bias": {}}))
    [body] = endpoint.requests
    assert body["top_k"] == 20
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["logit_bias"] == {}
    assert not {"top_p", "min_p", "n", "stop"} & body.keys()


def test_mean_log_probability_is_asked_for_and_read(endpoint):
    [[without]] = complete(endpoint, request(7))
    [done] = complete(endpoint, request(7, 8), logprobs=True)
    assert [body.get("logprobs") for body in endpoint.requests] == [None, True]
    assert without.mean_logprob is None
    assert [d.mean_logprob for d in done] == pytest.approx([-0.2, -0.2])


@pytest.mark.parametrize("stream", [False, True])
def test_likeliest_tokens_are_asked_for_and_come_to_a_group_confidence(endpoint, stream):
    [[done]] = complete(endpoint, request(7), top_logprobs=5, stream=stream)
    [body] = endpoint.requests
    assert (body["logprobs"], body["top_logprobs"]) == (True, 5)
    assert (done.mean_logprob, done.group_confidence) == (pytest.approx(-0.2), pytest.approx(1.0))


def test_likeliest_tokens_are_not_asked_for_where_a_dialect_knows_no_log_probabilities(endpoint):
    [[done]] = complete(endpoint, request(7), top_logprobs=5, dialect="openai-reasoning")
    assert not {"logprobs", "top_logprobs"} & endpoint.requests[0].keys()
    assert done.group_confidence is None


def test_samples_are_grouped_where_n_is_honoured(endpoint):
    [done, more] = complete(endpoint, request(1, 2, 3, 4), request(5, 6, 7, 8))
    assert len(endpoint.requests) == 2
    assert [d.choice_index for d in done] == [0, 1, 2, 3]
    assert [d.seed for d in more] == [5, 5, 5, 5]
    assert sum(d.num_completion_tokens for d in done) == 100
    assert [bool(d.num_billed_prompt_tokens) for d in done] == [True, False, False, False]


@pytest.mark.parametrize("manner", [{"honours_n": False}, {"refuses_n": True}])
def test_samples_are_asked_one_by_one_where_n_is_not_honoured(manner):
    with ScriptedEndpoint(**manner) as endpoint:
        [done] = complete(endpoint, request(1, 2, 3, 4))
        assert len(done) == 4
        assert {d.seed for d in done} == {1, 2, 3, 4}
        assert endpoint.num_samples == 4, "what the probe brought is kept"


def test_greedy_samples_are_never_grouped(endpoint):
    complete(endpoint, request(1, 2, temperature=0))
    assert [body.get("n") for body in endpoint.requests] == [None, None]


@pytest.mark.parametrize("fault", [(429, "slow", {}), (503, "busy", {}), "reset", "cut"])
def test_passing_faults_are_tried_again(endpoint, fault):
    endpoint.fault = lambda number, _: fault if number == 1 else None
    [[done]] = complete(endpoint, request(7))
    assert isinstance(done, Completion)
    assert done.num_tries == 2


def test_retry_after_is_honoured(endpoint):
    endpoint.fault = lambda number, _: (429, "slow", {"Retry-After": "1"}) if number == 1 else None
    began = time.monotonic()
    complete(endpoint, request(7))
    assert time.monotonic() - began >= 1


def test_retries_end_with_a_transient_failure(endpoint):
    endpoint.fault = lambda *_: (500, "for ever", {})
    [[failed]] = complete(endpoint, request(7), retries=1)
    assert isinstance(failed, Failure)
    assert (failed.code, failed.is_transient, failed.num_tries) == ("server_error", True, 2)
    assert "for ever" in failed.message


def test_silence_is_a_timeout(endpoint):
    endpoint.fault = lambda *_: ("hang", 5)
    [[failed]] = complete(endpoint, request(7), retries=0, timeout_seconds=0.3)
    assert failed.code == "timeout"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("This model's maximum context length is 4096 tokens", "context_overflow"),
        ("temperature must be below 2", "bad_request"),
    ],
)
def test_refusals_are_not_tried_again(endpoint, message, code):
    endpoint.fault = lambda *_: (400, message, {})
    [[failed]] = complete(endpoint, request(7))
    assert (failed.code, failed.is_transient, len(endpoint.requests)) == (code, False, 1)


def test_withheld_completion_is_a_failure(endpoint):
    withheld = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "content_filter"}]}
    endpoint.fault = lambda *_: withheld
    [[failed]] = complete(endpoint, request(7))
    assert failed.code == "content_filter"


def test_completion_cut_by_the_limit_says_so(endpoint):
    endpoint.fault = lambda *_: {
        "choices": [{"index": 0, "message": {"content": "<think>on and"}, "finish_reason": "length"}]
    }
    [[done]] = complete(endpoint, request(7))
    assert (done.finish_reason, done.reasoning, done.answer) == ("length", "on and", "")


def test_wrong_key_is_named_and_hidden(endpoint, monkeypatch):
    endpoint.key = "right"
    monkeypatch.setenv("SOME_KEY", "sk-not-it")
    with pytest.raises(EngineError, match="SOME_KEY") as error:
        complete(endpoint, request(7), api_key_env="SOME_KEY")
    assert "sk-not-it" not in str(error.value)


def test_unknown_model_lists_those_served(endpoint):
    with pytest.raises(EngineError, match="serves small, big"):
        complete(endpoint, request(7), model="huge")


def test_address_without_the_protocol_is_told(endpoint):
    form = OpenAISettings(kind="openai", base_url=endpoint.base_url + "/nowhere", retries=0)

    async def run():
        engine = OpenAIEngine(Model(id="small"), form)
        await engine.start()
        try:
            await engine.complete(request(7), lambda *_: None)
        finally:
            await engine.close()

    with pytest.raises(EngineError, match=r"check engine\.base_url"):
        asyncio.run(run())
