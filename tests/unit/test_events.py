"""Streams in the forms that servers send, each fed whole, in pieces of every size, and with every kind of line break.

The forms, by their sources: comments while a request waits (openrouter.ai/docs, API reference, streaming; llama.cpp
pull request 24013, whose comment is a bare colon); an error as a field of its own (llama.cpp until pull request 16109),
as an object with `object: error` (vLLM), inside the stream (openrouter.ai/docs, errors); usage behind the choices,
beside the last one (llama.cpp issue 15443), in every event (SGLang pull request 12241), in the choice (Moonshot), below
`x_groq` (Groq); content as parts, then as text (docs.mistral.ai, reasoning); a stream without `[DONE]` or without
finish_reason (earendil-works/pi pull request 7441, BerriAI/litellm issue 40260).
"""

import math
import random
import sys
from datetime import UTC, datetime

import orjson
import pytest

from tasks.engines.openai.events import Events, looks_like_events, reply_of_events
from tasks.engines.openai.faults import error_message, error_status
from tasks.engines.openai.replies import Sent, outcomes_of, parsed
from tasks.engines.protocol import Completion
from warehouse.failures import FailureCode

SENT = Sent(7, datetime(2026, 1, 1, tzinfo=UTC), 1.5, 1)
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1764362000, "model": "m"}
USAGE = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}


def piece(text=None, index=0, *, field="content", end=None, usage=None, **more):
    delta = {} if text is None else {field: text}
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": end} | more
    return HEAD | {"choices": [choice]} | ({"usage": usage} if usage else {})


def usage(counts=USAGE):
    return HEAD | {"choices": [], "usage": counts}


def sent(*events, done=True, line_break=b"\n", start=b"data: "):
    lines = [event if isinstance(event, bytes) else start + orjson.dumps(event) for event in events]
    lines += [b"data: [DONE]"] * done
    return b"".join(line + 2 * line_break for line in lines)


def told(data, num_choices=1):
    """The reply, which does not depend on how the bytes are cut."""
    whole = reply_of_events(data)
    for size in (1, 2, 7, 64, 1000):
        events = Events(num_choices)
        for start in range(0, len(data), size):
            events.feed(data[start : start + size])
        assert events.reply() == whole
    return whole


def answer(data):
    [outcome] = outcomes_of(told(data), SENT)
    return outcome


GOOD = (
    piece("", role="assistant"),
    *map(piece, ("The ", "sum is ", "\\boxed{5}", ".")),
    piece(end="stop"),
    usage(),
)


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("start", [b"data: ", b"data:", b"id: 5\ndata: ", b"event: message\ndata:  "])
def test_answer_and_usage_are_put_together(line_break, start):
    start = start.replace(b"\n", line_break)
    done = answer(sent(*GOOD, line_break=line_break, start=start))
    assert (done.answer, done.finish_reason) == ("The sum is \\boxed{5}.", "stop")
    assert (done.num_prompt_tokens, done.num_completion_tokens) == (12, 34)


@pytest.mark.parametrize(
    "data",
    [
        sent(b": OPENROUTER PROCESSING", *GOOD, b":", b": ping", b"data:", b"data: null"),
        sent(*GOOD).rstrip(b"\n"),
        sent(*GOOD).replace(b"\n\n", b"\n"),
        b"\xef\xbb\xbf" + sent(*GOOD),
        sent(*GOOD, done=False),
        sent(*GOOD[:-1], done=False),
        sent(*GOOD[:-2], usage(), done=False),
        sent(*GOOD[:-2], done=True),
        sent(*GOOD[:-2], usage(), GOOD[-2]),
        sent(*GOOD[:-2], piece(end="stop", usage=USAGE)),
        sent(*GOOD, usage({"prompt_tokens": 0, "completion_tokens": 0})),
        sent({"choices": [], "prompt_filter_results": [{"content_filter_results": {}}]}, *GOOD),
        sent(*GOOD[:-2], HEAD | {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}, usage()),
        sent(*GOOD[:-2], HEAD | {"choices": [{"message": {"content": "The sum is \\boxed{5}."}, "finish_reason": "stop"}]}),
        sent(*GOOD) + b"data: and more that nobody reads\n\n",
        sent(*(event | {"created": place} for place, event in enumerate(GOOD))),
        sent(b'event: ping\ndata: {"type": "ping"}', *GOOD),
    ],
)  # fmt: skip
def test_what_servers_add_or_leave_out_changes_no_answer(data):
    assert answer(data).answer == "The sum is \\boxed{5}."


@pytest.mark.parametrize(
    ("last", "counts"),
    [
        (piece(end="stop", usage=USAGE), (12, 34)),
        (HEAD | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}, (12, 34)),
        (piece(end="stop") | {"x_groq": {"usage": USAGE}}, (12, 34)),
        (piece(end="stop"), (None, None)),
    ],
)
def test_usage_is_found_wherever_it_is(last, counts):
    done = answer(sent(piece("x"), piece("y"), last))
    assert (done.num_prompt_tokens, done.num_completion_tokens) == counts


def test_latest_of_running_counts_counts():
    running = [piece(t, usage={"prompt_tokens": 12, "completion_tokens": n}) for n, t in enumerate("abc", 1)]
    assert answer(sent(*running, piece(end="stop"), usage())).num_completion_tokens == 34
    assert answer(sent(*running, piece(end="stop"))).num_completion_tokens == 3


def test_choices_interleaved_are_told_apart():
    rng = random.Random(5)
    texts = {index: [f"{index}{word} " for word in ["the", "sum", "of", "these", "is"]] for index in range(5)}
    events = [piece("", index, field="role") for index in range(5)]
    left = {index: list(words) for index, words in texts.items()}
    while left:
        index = rng.choice(list(left))
        if left[index]:
            events.append(
                piece(left[index].pop(0), index, field=rng.choice(["content", "reasoning_content"]))
            )
        else:
            events.append(piece(None, index, end="length" if index == 3 else "stop"))
            del left[index]
    reply = told(sent(*events, usage()), 5)
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2, 3, 4]
    for index, choice in enumerate(reply["choices"]):
        said = choice["message"]
        words = " ".join(said.get(f, "") for f in ("reasoning_content", "content")).split()
        assert sorted(words) == sorted("".join(texts[index]).split())
        assert choice["finish_reason"] == ("length" if index == 3 else "stop")
    assert sum(outcome.num_completion_tokens for outcome in outcomes_of(reply, SENT)) == 34


def test_choices_of_one_event_without_an_index_are_told_apart():
    both = [
        HEAD | {"choices": [{"delta": {"content": t}}, {"delta": {"content": u}}]} for t, u in ("ax", "by")
    ]
    ends = HEAD | {"choices": [{"delta": {}, "finish_reason": "stop"}] * 2}
    assert [o.answer for o in outcomes_of(told(sent(*both, ends)), SENT)] == ["ab", "xy"]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_in_a_field_of_its_own(field):
    thoughts = [piece(t, field=field) for t in ("let ", "me ", "see")]
    done = answer(sent(*thoughts, *GOOD))
    assert (done.reasoning, done.answer) == ("let me see", "The sum is \\boxed{5}.")


def test_reasoning_as_parts_then_the_answer_as_text():
    thoughts = [
        piece([{"type": "thinking", "thinking": [{"type": "text", "text": t}]}]) for t in ("let me", " see")
    ]
    done = answer(
        sent(*thoughts, piece("so "), piece([{"type": "text", "text": "it is"}]), piece(" 5", end="stop"))
    )
    assert (done.reasoning, done.answer) == ("let me see", "so it is 5")


def test_logprobs_of_all_tokens_or_none():
    def with_logprob(text, value):
        return piece(text, logprobs={"content": [{"token": text, "logprob": value, "bytes": [97]}]})

    values = [with_logprob(t, -0.1 * n) for n, t in enumerate("abc", 1)]
    assert math.isclose(answer(sent(*values, piece(end="stop"))).mean_logprob, -0.2)
    assert answer(sent(*values, piece("d", end="stop"))).mean_logprob is None
    assert answer(sent(*values, with_logprob("d", None), piece(end="stop"))).mean_logprob is None


HARD = (
    *('"quoted" \\frac{1}{2}\n', "\\", '\\"', "\u2028 \u00e9 \u4f60", "\U0001f600", "", "data: x\r\n", "}]}"),
    '"}, "logprobs": null',
)


@pytest.mark.parametrize("spaces", [False, True])
def test_every_character_arrives(spaces):
    """Most events differ in their text alone and are not parsed one by one; none of it may be lost or changed by that."""
    rng = random.Random(3)
    words = [rng.choice([*HARD, "word ", "a", "1+1=2 "]) for _ in range(2000)]
    data = sent(*map(piece, words), piece(end="stop"))
    if spaces:
        data = data.replace(b'":', b'": ').replace(b',"', b', "')
        words = [word.replace('":', '": ').replace(',"', ', "') for word in words]
    assert reply_of_events(data)["choices"][0]["message"]["content"] == "".join(words)
    told(data[:20_000])


@pytest.mark.parametrize("seed", range(20))
def test_fields_and_choices_that_take_turns_are_not_mixed_up(seed):
    """Events that differ in their text alone are taken together; those between them have another field or index."""
    rng = random.Random(seed)
    turns, fields = [(0, "content")], ("content", "reasoning")
    for _ in range(300):
        turns.append(turns[-1] if rng.random() < 0.8 else (rng.randrange(2), rng.choice(fields)))
    words = [f"{place} " if rng.random() < 0.97 else '"' for place in range(len(turns))]
    events = [piece(word, index, field=field) for word, (index, field) in zip(words, turns, strict=True)]
    reply = told(sent(*events, piece(end="stop"), piece(index=1, end="stop")), 2)
    for choice in reply["choices"]:
        for field in fields:
            mine = [w for w, turn in zip(words, turns, strict=True) if turn == (choice["index"], field)]
            assert choice["message"].get(field, "") == "".join(mine)


@pytest.mark.parametrize("line_break", [b"\n", b"\n\n"])
@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (b"", ""),
        (b": ping", ""),
        (b"data: null", ""),
        (piece('a "word"'), 'a "word"'),
        (piece(""), ""),
        (piece("of the other", 1), ""),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 20, 39, 40])
def test_run_of_events_of_one_kind_ends_where_another_stands(odd, said, place, line_break):
    """Events that differ in their text alone are taken in at once."""
    texts = [f"{number} " for number in range(40)]
    events = [*map(piece, ("", "a", *texts)), piece(end="stop"), piece(index=1, end="stop"), usage()]
    events[2 + place : 2 + place] = [odd]
    data = b"".join((e if isinstance(e, bytes) else b"data: " + orjson.dumps(e)) + line_break for e in events)
    reply = told(data + b"data: [DONE]", 2)
    texts[place:place] = [said]
    assert reply["choices"][0]["message"]["content"] == "a" + "".join(texts)


@pytest.mark.parametrize("size", [1, 4])
def test_time_of_a_stream_is_that_of_its_bytes_and_not_of_its_events(size):
    """Lines of Python per event would be a hundred times more than those of a run."""
    data = sent(*map(piece, ["x" * size] * 2000), piece(end="stop"))
    steps = 0

    def count(*_):
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        reply = reply_of_events(data)
    finally:
        sys.setprofile(None)
    assert reply["choices"][0]["message"]["content"] == "x" * 2000 * size
    assert steps < 2000


def test_half_characters_of_two_events_are_one():
    halves = [
        sent(piece("@@"), done=False).replace(b"@@", half) for half in (b"a", b"\\ud83d", b"\\ude00", b"b")
    ]
    assert answer(b"".join(halves) + sent(piece(end="stop"))).answer == "a\U0001f600b"


def test_long_text_takes_the_memory_of_its_characters():
    events = Events()
    data = sent(*(piece("12345678") for _ in range(512)), done=False)
    for _ in range(128):
        events.feed(data)
    [choice] = events._choices.values()
    assert len(choice.parts["content"]) < 3 * 4096
    events.feed(sent(piece(end="stop")))
    assert events.reply()["choices"][0]["message"]["content"] == "12345678" * 65536


# --- errors and cuts ---


@pytest.mark.parametrize(
    "fault",
    [
        b'data: {"error": {"message": "slow down", "code": 429}}',
        b'data: {"error": {"message": "slow down", "code": 429}, "choices": [{"delta": {}, "finish_reason": "error"}]}',
        b'data: {"object": "error", "message": "slow down", "type": "TooManyRequests", "code": 429}',
        b'error: {"code": 429, "message": "slow down", "type": "rate_limit"}',
        b'event: error\ndata: {"message": "slow down", "code": 429}',
        b'{"error": {"message": "slow down", "code": 429}}',
        b'data: {"error":\ndata: {"message": "slow down", "code": 429}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [(), GOOD[:3]])
def test_error_in_the_stream_is_the_reply(fault, before):
    reply = told(sent(*before, fault))
    assert error_status(reply) == 429
    assert "slow down" in error_message(429, b"", reply)


@pytest.mark.parametrize(
    "data",
    [
        sent(*GOOD[:3], done=False),
        sent(*GOOD[:3], done=False)[:-40],
        sent(*GOOD[:3], b'data: {"choices": [{"del', *GOOD[3:]),
        sent(*GOOD[:3], b"data: Internal Server Error", *GOOD[3:]),
        sent(b": ping", b": ping", done=False),
        b"",
    ],
)  # fmt: skip
def test_what_is_cut_off_is_no_reply(data):
    assert told(data) is None


def test_choice_that_ended_is_an_answer_whatever_became_of_the_others():
    cut = sent(piece("a", 0), piece("b", 1), piece(None, 0, end="stop"), piece("c", 1), done=False)
    first, second = outcomes_of(told(cut, 2), SENT)
    assert isinstance(first, Completion)
    assert first.answer == "a"
    assert second.code == FailureCode.SERVER_ERROR
    failed = sent(
        piece("a", 0), piece(None, 0, end="stop"), piece("b", 1), {"error": {"message": "gone", "code": 503}}
    )
    first, second = outcomes_of(told(failed, 2), SENT)
    assert first.answer == "a"
    assert "gone" in second.message


@pytest.mark.parametrize(
    ("events", "num_choices", "is_whole"),
    [
        (GOOD[:4], 1, False),
        ((*GOOD[:4], piece(end="stop")), 1, True),
        ((*GOOD[:4], piece(end="stop")), 2, False),
        ((piece("a", end="stop"), piece("b", 1)), 2, False),
        ((piece("a", end="stop"), piece("b", 1, end="length")), 2, True),
    ],
)
def test_reply_is_whole_once_each_choice_asked_for_ended(events, num_choices, is_whole):
    stream = Events(num_choices)
    stream.feed(sent(*events, done=False))
    assert stream.is_whole == is_whole


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (b"data: {}", "application/json", True),
        (b": ping\n\n", "", True),
        (b":\n\n", "", True),
        (b"event: x", "text/plain", True),
        (b'{"choices": []}', "text/event-stream", False),
        (b'\n\n  {"choices": []}', "application/json", False),
        (b"<html>", "text/html", False),
    ],
)
def test_streams_are_told_from_json(data, kind, expected):
    assert looks_like_events(data, kind) == expected


def test_json_that_claims_to_be_a_stream_is_read():
    reply = {"choices": [{"message": {"content": "5"}, "finish_reason": "stop"}]}
    assert parsed(orjson.dumps(reply), "text/event-stream") == reply
