"""Replies of servers, of which only vLLM can be run here.

- vLLM's replies were recorded from vLLM 0.32 on a CPU.
- All others are written by hand, none is recorded. By the servers' own sources: SGLang's error, usage,
  model list and overflow message (`entrypoints/openai/protocol.py`, `tokenizer_manager.py`); Ollama's
  message with `reasoning`, its usage, error, and list of models that may be null (`openai/openai.go`);
  llama.cpp's refusal of `n`, and its overflow by pull request 15780 and reports of the status 400.
- By documentation: SGLang's `reasoning_content` (docs.sglang.io, separate reasoning).
- By neither, so only the form that we expect: llama.cpp's `timings` and `owned_by`, the words
  `n must be 1` and `invalid temperature`, a gateway's error inside a 200.
"""

import contextlib
import copy
import json
import math
from datetime import UTC, datetime

import orjson
import pytest

from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.openai.faults import (
    TransientError,
    error_message,
    error_status,
    is_final,
    meaning_of,
    refusal_code,
    refuses_many_choices,
)
from tasks.engines.openai.replies import Sent, models_served, outcomes_of, parsed
from tasks.engines.protocol import Completion, Failure
from tasks.generation.generate import _row
from warehouse.identity import recipe_of
from warehouse.journal import Journal
from warehouse.records import Wanted
from warehouse.store import Store

SENT = Sent(7, datetime(2026, 1, 1, tzinfo=UTC), 1.5, 1)

VLLM = {
    "id": "chatcmpl-a5bcc487598d0d8d",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "\\boxed{5}",
                "refusal": None,
                "reasoning": "2 and 3",
            },
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": None,
            "token_ids": None,
        }
    ],
    "usage": {
        "prompt_tokens": 13,
        "total_tokens": 93,
        "completion_tokens": 80,
        "prompt_tokens_details": None,
    },
    "prompt_logprobs": None,
}
SGLANG = {
    "id": "b6fc",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "\n\n\\boxed{5}",
                "reasoning_content": "2 and 3\n",
                "tool_calls": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
            "matched_stop": 151645,
        }
    ],
    "usage": {
        "prompt_tokens": 13,
        "total_tokens": 93,
        "completion_tokens": 80,
        "prompt_tokens_details": None,
        "reasoning_tokens": 70,
    },
    "metadata": {"weight_version": "default"},
}
LLAMA_CPP = {
    "choices": [
        {
            "finish_reason": "stop",
            "index": 0,
            "message": {"role": "assistant", "reasoning_content": "2 and 3", "content": "\\boxed{5}"},
        }
    ],
    "created": 1757141666,
    "model": "m.gguf",
    "system_fingerprint": "b6397-abc",
    "object": "chat.completion",
    "usage": {"completion_tokens": 80, "prompt_tokens": 13, "total_tokens": 93},
    "id": "chatcmpl-x",
    "timings": {"cache_n": 0, "prompt_n": 13, "predicted_n": 80},
}
OLLAMA = {
    "id": "chatcmpl-322",
    "object": "chat.completion",
    "model": "qwen3:8b",
    "system_fingerprint": "fp_ollama",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "\\boxed{5}", "reasoning": "2 and 3\n"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 13, "completion_tokens": 80, "total_tokens": 93},
}


@pytest.mark.parametrize(
    "reply", [VLLM, SGLANG, LLAMA_CPP, OLLAMA], ids=["vllm", "sglang", "llama.cpp", "ollama"]
)
def test_reasoning_answer_and_usage_are_found_in_every_server_s_form(reply):
    [done] = outcomes_of(reply, SENT)
    assert (done.reasoning, done.answer, done.finish_reason) == ("2 and 3", "\\boxed{5}", "stop")
    assert (done.num_prompt_tokens, done.num_completion_tokens) == (13, 80)
    assert error_status(reply) == 200


def test_reply_without_usage_has_no_counts():
    [done] = outcomes_of({key: value for key, value in OLLAMA.items() if key != "usage"}, SENT)
    assert (done.num_prompt_tokens, done.num_completion_tokens) == (None, None)


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_completion_that_the_server_broke_off_is_no_answer(reason):
    broken = {**VLLM, "choices": [VLLM["choices"][0] | {"finish_reason": reason}]}
    [outcome] = outcomes_of(broken, SENT)
    assert isinstance(outcome, TransientError)
    assert reason in outcome.message


def test_withheld_completion_is_a_failure():
    [failed] = outcomes_of({"choices": [VLLM["choices"][0] | {"finish_reason": "content_filter"}]}, SENT)
    assert isinstance(failed, Failure)


@pytest.mark.parametrize(
    ("status", "reply", "said", "code"),
    [
        (
            400,
            {
                "error": {
                    "message": "max_tokens=4000 cannot be greater than max_model_len=256. Please request fewer output "
                    "tokens. (parameter=max_tokens, value=4000)",
                    "type": "BadRequestError",
                    "param": "max_tokens",
                    "code": 400,
                }
            },
            "max_model_len=256",
            "context_overflow",
        ),
        (
            400,
            {
                "object": "error",
                "message": "Requested token count exceeds the model's maximum context length of 4096 tokens.",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            },
            "maximum context length",
            "context_overflow",
        ),
        (
            400,
            {
                "error": {
                    "message": "invalid temperature",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": None,
                }
            },
            "invalid temperature",
            "bad_request",
        ),
        (
            422,
            {
                "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000",
                "error_type": "validation",
            },
            "must be <= 4096",
            "context_overflow",
        ),
        (
            400,
            {"detail": "Prompt length 9000 is greater than max_seq_len 8192"},
            "max_seq_len",
            "context_overflow",
        ),
        (400, {"error": "Prompt is longer than the maximum input length"}, "longer", "context_overflow"),
        (
            400,
            {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}},
            "不安全",
            "content_filter",
        ),
    ],
    ids=["vllm", "sglang", "ollama", "tgi", "exllama", "nim", "zhipu"],
)
def test_refusals_are_told_in_the_server_s_words(status, reply, said, code):
    message = error_message(status, orjson.dumps(reply), reply)
    assert said in message
    assert refusal_code(message) == code


@pytest.mark.parametrize("status", [400, 500])
def test_overflow_of_llama_cpp_is_one_whatever_its_status(status):
    reply = {
        "error": {
            "code": status,
            "message": "the request exceeds the available context size. try increasing the context size or enable "
            "context shift",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 1407,
            "n_ctx": 256,
        }
    }
    assert is_final(reply)
    assert refusal_code(error_message(status, b"", reply)) == "context_overflow"
    assert error_status(reply) == status, "some versions send it as 200"


def test_llama_cpp_that_allows_one_choice_says_so():
    told = {
        "error": {"code": 500, "message": "Only one completion choice is allowed", "type": "server_error"}
    }
    assert is_final(told)
    assert refuses_many_choices("HTTP 500: Only one completion choice is allowed")
    assert refuses_many_choices("HTTP 400: n must be 1")
    assert not refuses_many_choices("HTTP 400: temperature must be below 2")


def test_error_inside_a_good_status_is_an_error():
    assert error_status({"error": {"message": "upstream is overloaded", "code": 502}}) == 502
    assert error_status({"error": "no slot"}) == 502


def test_models_are_read_where_a_name_matters():
    assert models_served({"data": [{"id": "m", "owned_by": "vllm"}]}) == ["m"]
    assert models_served({"data": [{"id": "m", "owned_by": "sglang", "root": "m"}]}) == ["m"]
    assert models_served({"data": [{"id": "x.gguf", "owned_by": "llamacpp"}]}) == [], "any name will do"
    assert models_served({"data": [{"id": "qwen3:8b", "owned_by": "library"}]}) == ["qwen3:8b"]
    assert models_served({"object": "list", "data": None}) == [], "Ollama without a model"


ODD = (
    None, True, -1, 0, 3, 12.0, 12.5, 2**40, 2**70, math.nan, math.inf, "", "12", "\ud83d", "x\x00\x1b[2J",
    [], [[]], [None], ["a"], {}, {"a": 1}, {"error": {"code": 3}}, [{"type": "text"}], [{"type": 5, "text": 7}],
)  # fmt: skip


def places(value, path=()):
    """Every place of a JSON value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in inside:
        yield from places(held, (*path, key))


def replaced(value, path, odd):
    if not path:
        return odd
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return value


def test_nothing_odd_anywhere_in_a_reply_is_more_than_no_answer(tmp_path):
    """Every value of a reply is replaced by every odd one; what counts as an answer becomes a part."""
    whole = VLLM | {
        "choices": [VLLM["choices"][0] | {"logprobs": {"content": [{"token": "a", "logprob": -1.0}]}}]
    }
    store, recipe = Store(str(tmp_path)), recipe_of("explore", Model(id="m"), "p", Sampling())
    journal, num_stored = Journal(store, recipe), 0
    for path in places(whole):
        for odd in ODD:
            reply = parsed(json.dumps(replaced(whole, path, odd)).encode(), "application/json")
            assert error_status(reply) >= 200
            models_served(reply)
            try:
                outcomes = outcomes_of(reply, SENT)
            except TransientError:
                continue
            for outcome in outcomes:
                if not isinstance(outcome, TransientError):
                    assert isinstance(outcome, Failure) or outcome.reasoning or outcome.answer
                    num_stored += 1
                    journal.append(_row(Wanted(str(num_stored), "d", "p", 0), outcome, None))
    [part] = journal.seal()
    assert store.read_part(part).num_rows == num_stored > 100
    assert not list(store.journal_folder.iterdir())
    assert isinstance(outcomes_of(whole, SENT)[0], Completion)


def test_nothing_odd_in_an_error_or_an_event_escapes():
    errors = [
        {"error": {"message": "m", "code": 429, "type": "t", "metadata": {"raw": "r"}}},
        {"errors": [{"message": "a", "code": "1"}]},
        [{"error": {"message": "a", "status": "RESOURCE_EXHAUSTED"}}],
        {"detail": [{"msg": "a"}]},
        {"object": "error", "message": "x", "code": 400},
    ]
    for error in errors:
        for path in places(error):
            for odd in ODD:
                body = json.dumps(replaced(error, path, odd)).encode()
                reply = parsed(body, "application/json")
                message = error_message(500, body, reply)
                assert message.isprintable()
                for status in (error_status(reply), 400, 402, 403, 404, 429, 500, 999):
                    meaning_of(status, message, reply)
    event = {
        "choices": [
            {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": [{}]}}
        ],
        "usage": {"prompt_tokens": 1},
    }
    for path in places(event):
        for odd in ODD:
            pieces = [json.dumps(piece).encode() for piece in (replaced(event, path, odd), event)]
            reply = parsed(b"".join(b"data: " + piece + b"\n\n" for piece in pieces), "text/event-stream")
            with contextlib.suppress(TransientError):
                assert outcomes_of(reply, SENT)
