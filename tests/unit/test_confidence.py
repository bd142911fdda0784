"""Group confidence: its closed forms, and a reference written from the paper's definition."""

import json

import numpy as np
import pytest

from tasks.engines.confidence import WINDOW, confidences_of, group_confidence
from tasks.engines.openai.logprobs import UNKNOWN, Sureness, sureness_of
from tasks.engines.openai.reply_choices import ReplyChoice

RNG = np.random.default_rng(7)


def by_definition(values: list[float], window: int) -> float:
    """Every window by itself, sorted; the mean of the lowest tenth, at least one."""
    size = min(window, len(values))
    groups = sorted(sum(values[end - size : end]) / size for end in range(size, len(values) + 1))
    lowest = groups[: max(1, len(groups) // 10)]
    return sum(lowest) / len(lowest)


@pytest.mark.parametrize("length", [1, 5, 16, 17, 200, 1000])
def test_it_is_the_mean_of_the_weakest_groups(length):
    values = RNG.gamma(2.0, 3.0, length).tolist()
    assert group_confidence(values, window=16) == pytest.approx(by_definition(values, 16))


def test_a_short_trace_is_one_group():
    assert group_confidence([1.0, 2.0, 6.0]) == pytest.approx(3.0)
    assert group_confidence([]) is None
    assert group_confidence([1.0, float("inf")]) is None


def test_one_weak_stretch_of_a_long_trace_counts_where_its_mean_hides_it():
    sure = [8.0] * (20 * WINDOW)
    doubtful = sure.copy()
    doubtful[5 * WINDOW : 7 * WINDOW] = [1.0] * (2 * WINDOW)
    assert group_confidence(sure) == pytest.approx(8.0)
    assert np.mean(doubtful) == pytest.approx(7.3)
    assert group_confidence(doubtful) < 5


def test_token_confidence_is_the_negative_mean_of_the_likeliest_log_probabilities():
    logits = RNG.normal(size=(6, 50)).astype(np.float32)
    for row, confidence in zip(logits, confidences_of(logits, 20), strict=True):
        logprobs = np.sort(np.log(np.exp(row) / np.exp(row).sum()))
        assert confidence == pytest.approx(-logprobs[-20:].mean(), rel=1e-5)
    assert confidences_of(logits, 20).shape == (6,)
    assert confidences_of(np.zeros((1, 3)), 20)[0] == pytest.approx(np.log(3)), "fewer tokens than asked for"


def token(logprob, *likeliest):
    return {
        "token": "x",
        "logprob": logprob,
        "top_logprobs": [{"token": "y", "logprob": p} for p in likeliest],
    }


TOKENS = [token(-0.5, -0.5, -1.5), token(-1.0, -1.0, -4.0)]


def test_a_reply_says_both():
    assert sureness_of({"content": TOKENS}) == Sureness(-0.75, (1.0 + 2.5) / 2)
    assert sureness_of({"content": [{"logprob": -1.0}]}) == Sureness(-1.0, None)


@pytest.mark.parametrize(
    "broken",
    [
        token(-1.0),
        {"logprob": -1.0},
        {"logprob": -1.0, "top_logprobs": "x"},
        token(-1.0, None),
        token(-1.0, -1.0, float("nan")),
    ],
)
def test_likeliest_tokens_that_are_not_given_at_every_place_are_no_confidence(broken):
    assert sureness_of({"content": [TOKENS[0], broken]}) == Sureness(-0.75, None)


@pytest.mark.parametrize("odd", [None, "x", [], {"content": None}, {"content": {}}, {"content": [None]}])
def test_what_has_another_form_says_nothing(odd):
    assert sureness_of(odd) == UNKNOWN


def test_a_streamed_choice_says_the_same_and_keeps_one_number_a_token():
    choice = ReplyChoice()
    for each in TOKENS:
        choice.take({"delta": {"content": "x"}, "logprobs": {"content": [each]}})
    kept = choice.as_reply(0)["logprobs"]
    assert sureness_of(kept) == sureness_of({"content": TOKENS})
    assert len(json.dumps(kept)) < len(json.dumps(TOKENS))
