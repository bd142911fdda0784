"""Reasoning is told from the answer for the marks of every family, whole, cut off or opened again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.endings import finish_of
from tasks.engines.openai.replies import Sent, outcomes_of
from tasks.engines.reasoning import FAMILIES, marks_of, split_reasoning


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_is_split(name):
    opening, closing = FAMILIES[name].opening, FAMILIES[name].closing
    assert split_reasoning(f"{opening}a b{closing}\n\nc") == ("a b", "c")
    assert split_reasoning(f"\n{opening}\na\n{closing}c\n") == ("a", "c")
    assert split_reasoning(f"{opening}maybe \\boxed{{3}}, or") == ("maybe \\boxed{3}, or", "")
    assert split_reasoning(f"{opening}a{closing}c\n{opening}but") == ("a\n\nbut", "c")
    assert split_reasoning(f"{opening}a{closing}c\n{opening}b{closing}d") == ("a\n\nb", "c\nd")


@pytest.mark.parametrize("name", [name for name in FAMILIES if FAMILIES[name].closes_alone])
def test_a_prompt_may_have_opened_the_reasoning(name):
    assert split_reasoning(f"a{FAMILIES[name].closing}c") == ("a", "c")


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("c", None, "c"),
        ("", None, ""),
        ("<think></think>c", "", "c"),
        ("<think>\n<think>a</think>c", "a", "c"),
        (r"<think>a</think>\boxed{12} (</think> closed it)", "a", r"\boxed{12} (</think> closed it)"),
        ("The tag <think> opens it: 3", None, "The tag <think> opens it: 3"),
        ("Here is my response: 3", None, "Here is my response: 3"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>c<|END_RESPONSE|>", "a", "c"),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>c<|return|>",
            "a",
            "c",
        ),
        ("<|channel|>analysis<|message|>a \\boxed{3}", "a \\boxed{3}", ""),
        ("<|channel|>final<|message|>c", None, "c"),
        ("analysisLet us add.assistantfinal5", "Let us add.", "5"),
        ("analysis of variance", None, "analysis of variance"),
    ],
)
def test_marks_of_reasoning(text, reasoning, answer):
    assert split_reasoning(text) == (reasoning, answer)


def test_families_can_be_chosen():
    assert split_reasoning("[THINK]a[/THINK]c", (FAMILIES["think"],)) == (None, "[THINK]a[/THINK]c")


@pytest.mark.parametrize(
    ("setting", "text", "expected"),
    [
        (None, "<think>a</think>c", ("a", "c")),
        ({"{{": "}}"}, "{{a}}c", ("a", "c")),
        ({"{{": "}}"}, "{{a", ("a", "")),
        ({"{{": "}}"}, "<think>a</think>c", (None, "<think>a</think>c")),
        ({}, "<|channel|>final<|message|>c", (None, "<|channel|>final<|message|>c")),
    ],
)
def test_an_engine_s_setting_names_its_marks(setting, text, expected):
    assert split_reasoning(text, marks_of(setting)) == expected
    reply = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    sent = Sent(None, datetime.now(UTC), 0.0, 1, marks_of(setting))
    [done] = outcomes_of(reply, sent)
    assert (done.reasoning, done.answer) == expected


MARKS = [mark for family in FAMILIES.values() for mark in (family.opening, family.closing)]


@given(
    st.lists(st.sampled_from([*MARKS, "a", "\n", " ", "<|channel|>", "final", "<|message|>"]), max_size=12)
)
def test_no_text_is_made_up(pieces):
    reasoning, answer = split_reasoning("".join(pieces))
    assert answer.count("a") + (reasoning or "").count("a") <= "".join(pieces).count("a")


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("stop_sequence", "stop"),
        ("FinishReason.STOP", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("FINISH_REASON_MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("max_output_tokens", "length"),
        ("tool_calls", "tool"),
        ("content_filter", "filtered"),
        ("SAFETY", "filtered"),
        ("insufficient_system_resource", "failed"),
        ("abort", "failed"),
        ("something new", None),
        ("", None),
        (None, None),
    ],
)
def test_endings_of_other_providers(reason, ending):
    assert finish_of(reason) == ending
