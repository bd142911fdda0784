"""A rewriting that keeps an answer's value keeps its verdict; one that changes it loses it."""

import random
from collections import Counter
from contextlib import suppress

import pytest
from cases.mutations import mutated
from cases.rewritings import KINDS, drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.graders.algebra.decision import verdict
from tasks.graders.algebra.reading import read
from tasks.graders.algebra.tokens import UnreadError
from tasks.graders.equality import decided


def said(gold, answer):
    return decided(gold, answer) or verdict(gold, answer)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_spellings_of_a_value_are_right_and_others_are_not(kind):
    for seed in range(20):
        gold, same, other = kind(random.Random(f"{kind.__name__} {seed}"))
        assert {answer: said(gold, answer) for answer in same} == dict.fromkeys(same, "correct"), gold
        assert "correct" not in {said(gold, answer): answer for answer in other}, gold


def test_drawn_pairs_in_any_dress():
    rng, wrongs = random.Random("dresses"), Counter()
    for _ in range(1500):
        kind, gold, answer, keeps = drawn(rng)
        if (said(gold, answer) == "correct") != keeps:
            wrongs[kind, gold, answer] += 1
    assert not wrongs


def test_sums_rewritten_or_changed_in_one_way():
    rng, wrongs = random.Random("sums"), []
    for _ in range(600):
        kind, gold, answer, keeps = mutated(rng)
        if (said(gold, answer) == "correct") != keeps:
            wrongs.append((kind, gold, answer))
    assert not wrongs


TAILS = (
    r"\sqrt{3}", "½", "·3", r"+\sqrt(2)", "e", r"\mathrm{e}", "i", "t", "²", "ⁿ", "√7", " ∨ 11", "⇒38", "⁄4", "**2", r"\cup 25",
    r"\nicefrac{1}{3}", r"^\frac{3}{4}", r"\cdot\sqrt(3)", " million", r"\text{ dozen}", " squared", " times y", " halves",
    r"\pm 1", ":3", "'", "!!", r"\mid 2", r"\ldots", "_8", r"\hat{i}", r"\bmod 9", " R 3", r"\log 2", "∞", "√", r"\times", "=8",
    r"\neq 8", "<8", ", 8", " or 8", " remainder 3", "th root", r"\vec{a}", "-", "+", "?", "§", "@", "#4", "|4", r"\binom{3}{2}",
)  # fmt: skip


@given(st.integers(2, 10**6), st.sampled_from(TAILS))
@settings(deadline=None)
def test_nothing_behind_a_number_is_dropped(number, tail):
    assert said(str(number), f"{number}{tail}") != "correct"


@given(st.text(alphabet="0123456789abxy+-*/^_(){}[]\\|,;:=<>! .'", max_size=40))
@settings(deadline=None)
def test_reader_reads_or_refuses(text):
    with suppress(UnreadError):
        read(text)


@given(st.text(max_size=60), st.text(max_size=60))
@settings(deadline=None)
def test_any_two_texts_have_a_verdict(gold, answer):
    assert said(gold, answer) in {"correct", "wrong", "grader_error"}
    assert said(gold, gold) in {"correct", "wrong", "grader_error"}
