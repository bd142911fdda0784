"""Every dialect against a reply in its provider's documented form, and what an endpoint teaches of its own.

Each row's `source` is the page that documents the form; what stands in the reply is shortened from there.
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from endpoints.scripted import ScriptedEndpoint
from pydantic import ValidationError

from configs.dialects import DIALECTS
from configs.engines import OpenAISettings
from configs.models import Model
from configs.models import Model as Weights
from configs.roles import Explorer
from configs.sampling import Sampling
from tasks.engines.openai.bodies import LEARNT, Learnt, body_of
from tasks.engines.openai.engine import OpenAIEngine
from tasks.engines.protocol import Completion, EngineError, Failure, Message, Request
from tasks.stage import stage_of
from warehouse.identity import recipe_of

SAMPLING = {
    "temperature": 0.6,
    "top_p": 0.95,
    "top_k": 20,
    "min_p": 0.05,
    "presence_penalty": 0.5,
    "repetition_penalty": 1.1,
    "stop": ["END"],
    "max_tokens": 4096,
    "reasoning_effort": "high",
}


@dataclass(frozen=True)
class Recorded:
    """A provider's reply as its documentation shows it, and what is expected of request and completion."""

    source: str
    message: dict
    reasoning: str | None
    sent: dict
    unsent: set = field(default_factory=set)
    finish_reason: str = "stop"
    usage: dict = field(default_factory=lambda: {"prompt_tokens": 9, "completion_tokens": 12})


RECORDED = {
    "openai": Recorded(
        "https://platform.openai.com/docs/api-reference/chat/object",
        {"role": "assistant", "content": "It is 5.", "refusal": None, "annotations": []},
        None,
        {
            "max_completion_tokens": 4096,
            "temperature": 0.6,
            "top_p": 0.95,
            "presence_penalty": 0.5,
            "seed": 7,
        },
        {"max_tokens", "top_k", "min_p", "repetition_penalty", "chat_template_kwargs"},
    ),
    "openai-reasoning": Recorded(
        "https://platform.openai.com/docs/guides/reasoning (tokens are counted, the reasoning is not shown)",
        {"role": "assistant", "content": "It is 5.", "refusal": None},
        None,
        {"max_completion_tokens": 4096, "reasoning_effort": "high", "seed": 7},
        {
            "max_tokens",
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "presence_penalty",
            "repetition_penalty",
            "stop",
        },
        usage={
            "prompt_tokens": 9,
            "completion_tokens": 1186,
            "completion_tokens_details": {"reasoning_tokens": 1024},
        },
    ),
    "azure": Recorded(
        "https://learn.microsoft.com/azure/ai-foundry/openai/reference#chat-completions",
        {"role": "assistant", "content": "It is 5."},
        None,
        {"max_completion_tokens": 4096, "temperature": 0.6, "seed": 7},
        {"max_tokens", "top_k", "min_p", "repetition_penalty", "chat_template_kwargs"},
    ),
    "openrouter": Recorded(
        "https://openrouter.ai/docs/use-cases/reasoning-tokens",
        {
            "role": "assistant",
            "content": "It is 5.",
            "reasoning": "Two and three.",
            "reasoning_details": [{"type": "reasoning.text", "text": "Two and three.", "format": "unknown"}],
        },
        "Two and three.",
        {"max_tokens": 4096, "top_k": 20, "min_p": 0.05, "reasoning": {"effort": "high", "enabled": True}},
        {"reasoning_effort", "chat_template_kwargs"},
    ),
    "deepseek": Recorded(
        "https://api-docs.deepseek.com/guides/thinking_mode",
        {"role": "assistant", "content": "It is 5.", "reasoning_content": "Two and three."},
        "Two and three.",
        {"max_tokens": 4096, "thinking": {"type": "enabled"}, "reasoning_effort": "high"},
        {"seed", "top_k", "min_p", "repetition_penalty", "chat_template_kwargs"},
    ),
    "gemini": Recorded(
        "https://ai.google.dev/gemini-api/docs/openai (thoughts stand in the content where they are asked for)",
        {"role": "assistant", "content": "<thought>Two and three.</thought>It is 5."},
        "Two and three.",
        {
            "max_tokens": 4096,
            "extra_body": {"google": {"thinking_config": {"include_thoughts": True}}},
            "reasoning_effort": "high",
        },
        {"top_k", "min_p", "repetition_penalty", "chat_template_kwargs"},
    ),
    "anthropic": Recorded(
        "https://platform.claude.com/docs/en/api/openai-sdk (the thinking is not returned)",
        {"role": "assistant", "content": "It is 5."},
        None,
        {"max_tokens": 4096, "temperature": 0.6, "top_p": 0.95, "stop": ["END"]},
        {"seed", "top_k", "min_p", "presence_penalty", "repetition_penalty", "reasoning_effort"},
    ),
    "vllm": Recorded(
        "https://docs.vllm.ai/en/latest/features/reasoning_outputs.html",
        {"role": "assistant", "content": "It is 5.", "reasoning": "Two and three.", "tool_calls": []},
        "Two and three.",
        {
            "max_tokens": 4096,
            "top_k": 20,
            "min_p": 0.05,
            "repetition_penalty": 1.1,
            "chat_template_kwargs": {"enable_thinking": True},
            "reasoning_effort": "high",
            "seed": 7,
        },
    ),
    "sglang": Recorded(
        "https://docs.sglang.ai/advanced_features/separate_reasoning.html",
        {
            "role": "assistant",
            "content": "It is 5.",
            "reasoning_content": "Two and three.",
            "tool_calls": None,
        },
        "Two and three.",
        {"max_tokens": 4096, "top_k": 20, "chat_template_kwargs": {"enable_thinking": True}, "seed": 7},
    ),
    "llama.cpp": Recorded(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (--reasoning-format deepseek)",
        {"role": "assistant", "reasoning_content": "Two and three.", "content": "It is 5."},
        "Two and three.",
        {
            "max_tokens": 4096,
            "repeat_penalty": 1.1,
            "chat_template_kwargs": {"enable_thinking": True, "reasoning_effort": "high"},
        },
        {"repetition_penalty", "reasoning_effort"},
    ),
    "ollama": Recorded(
        "https://docs.ollama.com/api/openai-compatibility",
        {"role": "assistant", "content": "It is 5.", "reasoning": "Two and three."},
        "Two and three.",
        {"max_tokens": 4096, "temperature": 0.6, "seed": 7, "reasoning_effort": "high"},
        {"top_k", "min_p", "repetition_penalty", "chat_template_kwargs"},
    ),
}


@pytest.fixture(autouse=True)
def nothing_is_learnt():
    """What one test's endpoint has taught is forgotten: ports are used again."""
    LEARNT.clear()


def request(*seeds, **sampling):
    seeds = seeds or (7,)
    return Request(
        (Message("user", "What is 2 plus 3 ?"),),
        Sampling(**({"temperature": 1.0, "max_tokens": 32} | sampling)),
        seeds,
        "q",
        tuple(range(len(seeds))),
    )


def complete(endpoint, *requests, base_url=None, **settings):
    """Every request's outcomes, by an engine of these settings."""
    form = OpenAISettings(
        kind="openai",
        base_url=base_url or endpoint.base_url,
        **({"retries": 1, "patience_seconds": 1, "concurrency": 8} | settings),
    )

    async def run():
        engine = OpenAIEngine(Model(id="small"), form)
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


@pytest.mark.parametrize("name", DIALECTS)
def test_dialect_is_spoken_and_its_documented_reply_is_understood(endpoint, name):
    recorded = RECORDED[name]
    choice = {"index": 0, "message": recorded.message, "finish_reason": recorded.finish_reason}
    endpoint.fault = lambda *_: {"object": "chat.completion", "choices": [choice], "usage": recorded.usage}
    [[done]] = complete(endpoint, request(7, **SAMPLING, enable_thinking=True), dialect=name)
    assert (done.reasoning, done.answer) == (recorded.reasoning, "It is 5.")
    assert done.num_completion_tokens == recorded.usage["completion_tokens"]
    [body] = endpoint.requests
    assert {key: body.get(key) for key in recorded.sent} == recorded.sent
    assert not recorded.unsent & body.keys()
    assert done.seed == body.get("seed")


@pytest.mark.parametrize("name", DIALECTS)
def test_thinking_is_turned_off_in_the_dialect_s_own_way(endpoint, name):
    complete(endpoint, request(7, enable_thinking=False), dialect=name)
    [body] = endpoint.requests
    said = {
        "openrouter": {"reasoning": {"enabled": False}},
        "deepseek": {"thinking": {"type": "disabled"}},
        "gemini": {"reasoning_effort": "none"},
        "ollama": {"reasoning_effort": "none"},
    }
    template = {"chat_template_kwargs": {"enable_thinking": False}}
    is_left_out = "enable_thinking" in DIALECTS[name].left_out
    expected = {} if is_left_out else said.get(name, template)
    told = {"reasoning", "thinking", "reasoning_effort", "chat_template_kwargs", "extra_body"} & body.keys()
    assert {key: body[key] for key in told} == expected


def test_samples_are_asked_for_one_by_one_where_the_dialect_knows_no_n(endpoint):
    [done] = complete(endpoint, request(1, 2, 3), dialect="openrouter")
    assert [body.get("n") for body in endpoint.requests] == [None] * 3
    assert {d.seed for d in done} == {1, 2, 3}


def test_each_body_is_of_its_own_request_and_of_what_is_learnt_by_then():
    """Most of a body is put together once; none of it may be another request's."""
    settings = OpenAISettings(kind="openai", base_url="http://localhost:1/v1")
    learnt = Learnt()

    def body(asked, *places):
        return body_of("small", asked, places or (0,), settings, learnt)

    first, other = request(7, 8), request(9, temperature=0.5, extra={"seed": 3, "n": 2})
    assert [body(first)["seed"], body(first, 1)["seed"], body(first, 0, 1)["seed"]] == [7, 8, 7]
    assert [body(first).get("n"), body(first, 0, 1)["n"], body(other)["n"]] == [None, 2, 2]
    assert (body(other)["seed"], body(other)["temperature"], body(first)["temperature"]) == (3, 0.5, 1.0)
    learnt.take_in("max_tokens", "x", "no")
    learnt.take_in("seed", "x", "no")
    learnt.takes_long = True
    now = body(first)
    assert ("seed" in now, "max_tokens" in now, now["max_completion_tokens"], now["stream"]) == (
        False,
        False,
        32,
        True,
    )


# --- what is in the recipe ----------------------------------------------------------------------


def recipe(tmp_path, sampling, **engine):
    """The recipe of an explorer with this engine."""

    form = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", **engine}
    role = Explorer(model=Model(id="m"), engine=form, sampling=Sampling(**sampling))
    return stage_of("explore", role, str(tmp_path)).recipe


def test_what_a_dialect_leaves_out_is_not_in_the_recipe(tmp_path):
    plain = recipe(tmp_path, SAMPLING)
    unsent = recipe(tmp_path, SAMPLING, dialect="openai-reasoning")
    assert unsent != plain
    assert unsent == recipe(tmp_path, SAMPLING | {"temperature": 0.1, "top_k": 5}, dialect="openai-reasoning")
    assert unsent != recipe(tmp_path, SAMPLING | {"reasoning_effort": "low"}, dialect="openai-reasoning")
    assert recipe(tmp_path, SAMPLING, leave_out=["top_k"]) == recipe(tmp_path, SAMPLING | {"top_k": None})


def test_dialect_that_leaves_out_nothing_that_is_set_changes_no_recipe(tmp_path):
    few = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 64}
    plain = recipe(tmp_path, few)
    assert {recipe(tmp_path, few, dialect=name) for name in DIALECTS if name != "openai-reasoning"} == {plain}
    assert plain == recipe(tmp_path, few, headers={"X-Title": "A2R"}, list_models=False)


def test_draws_are_told_apart_where_no_seed_is_sent(tmp_path):
    """A night's own seed makes samples of its own, also at an endpoint that takes none."""
    assert recipe(tmp_path, {"seed": 1}, dialect="anthropic") != recipe(
        tmp_path, {"seed": 2}, dialect="anthropic"
    )
    assert recipe_of("explore", Weights(id="m"), "p", Sampling(), left_out={"seed"}) == recipe_of(
        "explore", Weights(id="m"), "p", Sampling()
    )


# --- what is learnt -----------------------------------------------------------------------------


def refusing(field, message, status=400, **more):
    """A fault for requests that hold the field."""
    reply = {"error": {"message": message, **more}}

    def fault(_number, body):

        return (status, json.dumps(reply).encode(), "application/json") if field in body else None

    return fault


@pytest.mark.parametrize(
    ("field", "message", "more"),
    [
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            {"param": "max_tokens", "code": "unsupported_parameter"},
        ),
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", {}),
        ("seed", "property 'seed' is unsupported, did you mean 'speed'?", {}),
        ("seed", 'Invalid JSON payload received. Unknown name "seed": Cannot find field.', {}),
        ("seed", "seed: Extra inputs are not permitted", {}),
        ("seed", "Unrecognized request argument supplied: seed", {}),
        ("seed", "unknown field: parameter 'seed' is not a valid field", {}),
        ("logprobs", "You are not allowed to request logprobs from this model", {"param": "logprobs"}),
        ("logprobs", "This model does not support the parameter logprobs.", {}),
    ],
)
def test_refusal_that_changes_no_text_is_learnt_once_per_endpoint(endpoint, field, message, more):
    endpoint.fault = refusing(field, message, **more)
    outcomes = complete(endpoint, request(1), logprobs=True)
    assert isinstance(outcomes[0][0], Completion)
    assert len(endpoint.requests) == 2
    outcomes += complete(endpoint, *(request(seed) for seed in range(2, 8)), logprobs=True)
    assert all(isinstance(done, Completion) for [done] in outcomes)
    assert len(endpoint.requests) == 8, "another engine of the process knows it already"
    assert (outcomes[0][0].seed is None) is (field == "seed")
    wanted = {"max_tokens": "max_completion_tokens"}.get(field)
    assert wanted is None or endpoint.requests[-1][wanted] == 32


def test_old_server_that_knows_only_max_tokens_is_asked_so(endpoint):
    endpoint.fault = refusing(
        "max_completion_tokens", "Unrecognized request argument supplied: max_completion_tokens"
    )
    [[done]] = complete(endpoint, request(1), dialect="azure")
    assert isinstance(done, Completion)
    assert endpoint.requests[-1]["max_tokens"] == 32


def test_several_refusals_are_learnt_one_after_the_other(endpoint):
    faults = [
        refusing("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        refusing("seed", "Unknown parameter: 'seed'.", param="seed"),
    ]
    endpoint.fault = lambda number, body: next((f for fault in faults if (f := fault(number, body))), None)
    [[done]] = complete(endpoint, request(1), retries=0)
    assert isinstance(done, Completion)
    assert (done.num_tries, len(endpoint.requests)) == (3, 3)


@pytest.mark.parametrize(
    ("field", "sampling", "message"),
    [
        (
            "temperature",
            {"temperature": 0.7},
            "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
        ),
        ("top_k", {"top_k": 5}, "property 'top_k' is unsupported"),
        (
            "presence_penalty",
            {"presence_penalty": 1},
            "Argument not supported on this model: presencePenalty",
        ),
        (
            "chat_template_kwargs",
            {"enable_thinking": True},
            "Unrecognized request argument: chat_template_kwargs",
        ),
    ],
)
def test_refusal_that_would_change_the_texts_stops_with_the_dialect_that_says_so(
    endpoint, field, sampling, message
):
    endpoint.fault = refusing(field, message)
    with pytest.raises(EngineError) as stopped:
        complete(endpoint, request(1, **sampling))
    ours = next(iter(sampling))
    assert f"engine.leave_out: [{ours}]" in str(stopped.value)
    assert "openai-reasoning" in str(stopped.value)
    assert len(endpoint.requests) == 1
    [[done]] = complete(endpoint, request(1, **sampling), leave_out=[ours])
    assert isinstance(done, Completion)


def test_field_of_extra_that_is_refused_is_named(endpoint):
    endpoint.fault = refusing("service_tier", "Unknown parameter: 'service_tier'.")
    with pytest.raises(EngineError, match=r"take it out of sampling\.extra"):
        complete(endpoint, request(1, extra={"service_tier": "flex"}))


@pytest.mark.parametrize(
    "message",
    [
        "temperature must be below 2",
        "max_tokens is too large: 32768. This model supports at most 16384 completion tokens.",
        "This model's maximum context length is 4096 tokens. Please reduce max_tokens.",
        "Unsupported language in the prompt: stop writing Klingon",
    ],
)
def test_refusal_of_a_value_or_a_prompt_teaches_nothing(endpoint, message):
    endpoint.fault = lambda *_: (400, message, {})
    [[failed]] = complete(endpoint, request(1, stop=["END"]))
    assert isinstance(failed, Failure)
    assert len(endpoint.requests) == 1


# --- where and how it is reached ----------------------------------------------------------------


def test_parameters_of_the_address_stay_behind_the_path(endpoint):
    """Azure's form; the endpoint here answers below /v1 alone and takes any parameters."""
    [[done]] = complete(endpoint, request(1), base_url=f"{endpoint.base_url}/?api-version=2024-10-21")
    assert isinstance(done, Completion)
    assert endpoint.last_query == {"api-version": "2024-10-21"}


@pytest.mark.parametrize("address", ["https://h/v1?api_key=1", "https://h/v1?sig=1", "https://u:p@h/v1"])
def test_secrets_in_an_address_are_refused(address):
    with pytest.raises(ValidationError, match="api_key_env"):
        OpenAISettings(kind="openai", base_url=address)


def test_headers_come_from_the_experiment_and_secrets_from_the_environment(endpoint, monkeypatch):
    monkeypatch.setenv("GATEWAY", "s3cret-of-the-gateway")
    monkeypatch.setenv("KEY", "k3y")
    endpoint.fault = lambda *_: (400, "no such tenant s3cret-of-the-gateway", {})
    headers = {"X-Title": "A2R", "X-Gateway-Key": "$GATEWAY"}
    [[failed]] = complete(endpoint, request(1), headers=headers, api_key_env="KEY", dialect="azure")
    assert endpoint.last_headers["X-Title"] == "A2R"
    assert endpoint.last_headers["X-Gateway-Key"] == "s3cret-of-the-gateway"
    assert endpoint.last_headers["api-key"] == "k3y" and "Authorization" not in endpoint.last_headers
    assert "s3cret" not in failed.message
    with pytest.raises(ValidationError, match="looks like a secret"):
        OpenAISettings(kind="openai", base_url="http://h/v1", headers={"Authorization": "Bearer x"})
    with pytest.raises(EngineError, match="export GATEWAY2"):
        complete(endpoint, request(1), headers={"X-Gateway-Key": "$GATEWAY2"})


def test_list_of_models_is_not_asked_for_where_the_experiment_says_so():
    with ScriptedEndpoint(models=("other",)) as endpoint:
        [[done]] = complete(endpoint, request(1), list_models=False)
        assert isinstance(done, Completion)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_proxy_is_used_as_the_environment_says_and_never_for_loopback(endpoint, monkeypatch, variable):
    """The endpoint plays the proxy: a proxy of plain HTTP is asked for the whole address."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, f"http://me:pa55@127.0.0.1:{endpoint.port}")
    [[done]] = complete(endpoint, request(1), base_url="http://known-to-the-proxy-alone.invalid/v1")
    assert isinstance(done, Completion)
    assert endpoint.last_headers["Host"] == "known-to-the-proxy-alone.invalid"
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    [[done]] = complete(endpoint, request(1))
    assert isinstance(done, Completion), "loopback goes straight"
    monkeypatch.setenv("NO_PROXY", "known-to-the-proxy-alone.invalid")
    with pytest.raises(EngineError, match="does not answer"):
        complete(endpoint, request(1), base_url="http://known-to-the-proxy-alone.invalid/v1")


def test_certificates_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(EngineError, match="SSL_CERT_FILE"):
        complete(None, request(1), base_url="https://127.0.0.1:9/v1")


def test_limit_of_open_files_is_raised_or_kept_to():
    """In a process of its own, whose limits cannot be taken back."""
    program = (
        "import resource as r; from tasks.engines.openai.connecting import room_for;"
        "r.setrlimit(r.RLIMIT_NOFILE, (300, 4096)); print(room_for(2000), r.getrlimit(r.RLIMIT_NOFILE)[0] >= 2256);"
        "r.setrlimit(r.RLIMIT_NOFILE, (512, 512)); print(room_for(2000) < 256)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2000", "True", "True"]


def test_page_about_endpoints_has_an_example_of_every_dialect_that_loads():
    page = (Path(__file__).parents[2] / "docs" / "endpoints.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block.split("```", 1)[0]) for block in page.split("```yaml\n")[1:]]
    roles = [Explorer(**role) for block in blocks for role in block.values()]
    assert {role.engine.dialect for role in roles if role.engine.dialect} == set(DIALECTS)
