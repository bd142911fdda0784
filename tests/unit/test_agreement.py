"""How many samples are wanted once answers agree: decided on the first ones in index order, and on nothing else."""

import random

import pytest

from configs.roles import Stop
from tasks.prompts.agreement import agreement, num_wanted, vote_of


@pytest.mark.parametrize(
    ("votes", "share"),
    [("", 0), ("aaaa", 1), ("aab", 2 / 3), ("ab", 1 / 2), (["", "", "a"], 1 / 3), (["", ""], 0)],
)
def test_agreement_is_the_share_of_the_most_common_answer_among_all_samples(votes, share):
    assert agreement(list(votes)) == share


@pytest.mark.parametrize(
    ("votes", "wanted"),
    [
        ("", 4),
        ("aaa", 4),
        ("aaab", 6),
        ("aaaa", 4),
        ("aaaabbbb", 4),
        ("aaabaa", 6),
        ("aaabab", 8),
        ("aaababaa", 9),
        ("abcabcab", 9),
        ("abcabcabc", 9),
        (["a", "a", "a", ""], 6),
    ],
)
def test_size_grows_until_they_agree(votes, wanted):
    assert num_wanted(list(votes), Stop(agreement=0.8, after=4, step=2), 9) == wanted


def test_size_is_the_same_however_many_samples_are_stored_beyond_it():
    dice, stop = random.Random(0), Stop(agreement=0.7, after=3, step=2)
    for _ in range(500):
        votes = dice.choices("aab", k=12)
        size = num_wanted(votes, stop, 12)
        stored = 0
        while (wanted := num_wanted(votes[:stored], stop, 12)) > stored:
            stored = wanted
        assert stored == size, "sampled block by block, or looked at in a full store"
        assert size == 12 or agreement(votes[:size]) >= 0.7


def test_votes_compare_as_references_do():
    assert vote_of(r"so \boxed{0.5}") == vote_of(r"\boxed{\frac{1}{2}}") != ""
    assert vote_of("no box") == ""
