"""Which references are chosen, in what order, and what of them is shown."""

import pytest

from configs.roles import References
from tasks.prompts.references import Candidate, choose, shown


def candidate(index, status="ok", answer=r"\boxed{1}", **more):
    return Candidate(f"t{index}", index, status, answer=answer, **more)


def ids(chosen):
    return [c.trace_id for c in chosen]


SAMPLED = References(count=2, order="sampled")


def test_first_usable_samples_are_taken_in_order():
    chosen = choose([candidate(2), candidate(0), candidate(1)], SAMPLED, "d")
    assert ids(chosen) == ["t0", "t1"]


def test_truncated_samples_are_dropped_or_kept_by_policy():
    samples = [candidate(0, "truncated"), candidate(1), candidate(2)]
    assert ids(choose(samples, SAMPLED, "d")) == ["t1", "t2"]
    assert ids(choose(samples, SAMPLED.model_copy(update={"truncated": "keep"}), "d")) == ["t0", "t1"]


@pytest.mark.parametrize("status", [None, "error"])
def test_problem_waits_for_a_sample_that_may_still_come(status):
    assert choose([candidate(0, status), candidate(1), candidate(2)], SAMPLED, "d") is None


def test_problem_does_not_wait_for_samples_behind_the_last_needed():
    assert ids(choose([candidate(0), candidate(1), candidate(2, None)], SAMPLED, "d")) == ["t0", "t1"]


def test_refused_sample_is_passed_over():
    samples = [candidate(0, "error", is_permanent=True), candidate(1), candidate(2)]
    assert ids(choose(samples, SAMPLED, "d")) == ["t1", "t2"]


def test_hard_problem_is_not_left_out():
    assert choose([candidate(0, "truncated"), candidate(1, "truncated")], SAMPLED, "d") == ()


def test_shuffle_is_of_the_problem_alone_and_loses_nothing():
    policy = References(count=6)
    samples = [candidate(index) for index in range(6)]
    orders = {digest: ids(choose(samples, policy, digest)) for digest in "abcdefgh"}
    assert orders["a"] == ids(choose(samples, policy, "a"))
    assert len({tuple(order) for order in orders.values()}) > 1
    assert all(sorted(order) == [f"t{i}" for i in range(6)] for order in orders.values())


def test_by_vote_puts_the_commonest_answer_first():
    samples = [
        candidate(0, answer=r"\boxed{7}"),
        candidate(1, answer="no box"),
        candidate(2, answer=r"\boxed{0.5}"),
        candidate(3, answer=r"\boxed{\frac{1}{2}}"),
    ]
    chosen = choose(samples, References(count=4, order="by_vote"), "d")
    assert ids(chosen) == ["t2", "t3", "t0", "t1"]


def texts(candidates, **policy):
    return [(r.text, r.count) for r in shown(candidates, References(**policy))]


def test_content_answer_full_and_last_paragraph():
    one = [candidate(0, answer="first\n\nlast \n", reasoning="thought")]
    assert texts(one) == [("first\n\nlast", 1)]
    assert texts(one, content="full") == [("thought\n\nfirst\n\nlast", 1)]
    assert texts(one, content="last_paragraph") == [("last", 1)]


def test_duplicates_are_merged_with_their_count():
    three = [candidate(0, answer="a"), candidate(1, answer="b"), candidate(2, answer="a")]
    assert texts(three, duplicates="merge") == [("a", 2), ("b", 1)]
    assert texts(three) == [("a", 1), ("b", 1), ("a", 1)]


def test_long_reference_keeps_its_end():
    assert texts([candidate(0, answer="x" * 100 + "tail")], max_tokens=1) == [("tail", 1)]


def test_total_budget_drops_whole_references_from_the_end():
    four = [candidate(i, answer=str(i) * 40) for i in range(4)]
    kept = texts(four, total_max_tokens=25)
    assert [text[0] for text, _ in kept] == ["0", "1"]


def test_total_budget_shortens_all_to_an_equal_share():
    four = [candidate(i, answer=str(i) * 40) for i in range(4)]
    kept = texts(four, total_max_tokens=8, overflow="shorten_all")
    assert [len(text) for text, _ in kept] == [8, 8, 8, 8]


def test_places_are_numbered_from_one():
    assert [r.index for r in shown([candidate(0), candidate(1)], References())] == [1, 2]


def grouped(groups, candidates, count=2, **more):
    policy = References(count=count, order="sampled", groups=groups, **more)
    return [
        ids(chosen) if (chosen := choose(candidates, policy, "d", n)) is not None else None for n in range(3)
    ]


def test_disjoint_groups_take_the_next_usable_samples():
    samples = [candidate(0), candidate(1, "truncated"), *(candidate(i) for i in range(2, 7))]
    assert grouped("disjoint", samples) == [["t0", "t2"], ["t3", "t4"], ["t5", "t6"]]


def test_disjoint_group_waits_only_for_its_own_and_those_before():
    samples = [*(candidate(i) for i in range(4)), candidate(4, None), candidate(5)]
    assert grouped("disjoint", samples) == [["t0", "t1"], ["t2", "t3"], None]


def test_random_groups_are_drawn_of_all_by_a_seed_of_the_problem_and_wait_for_all():
    samples = [candidate(i) for i in range(6)]
    drawn = grouped("random", samples, count=3)
    assert drawn == grouped("random", samples[::-1], count=3), (
        "the order in which they are stored does not matter"
    )
    assert len({tuple(group) for group in drawn}) == 3
    assert all(len(set(group)) == 3 for group in drawn)
    assert drawn != grouped("random", samples, count=3, seed=1)
    assert grouped("random", [*samples, candidate(6, None)]) == [None] * 3


def test_random_groups_draw_every_sample_equally_often():
    policy, samples = References(count=2, groups="random"), [candidate(i) for i in range(4)]
    drawn = [choose(samples, policy, str(problem), group) for problem in range(500) for group in range(2)]
    counts = [sum(f"t{i}" in ids(group) for group in drawn) for i in range(4)]
    assert all(abs(count - 500) < 4 * (1000 * 0.25) ** 0.5 for count in counts), counts


def test_stages_take_turns_or_give_their_shares():
    samples = [candidate(i, stage="a") for i in range(3)] + [
        Candidate(f"b{i}", i, "ok", stage="b") for i in range(3)
    ]
    turns = choose(samples, References(count=3, order="sampled"), "d")
    assert ids(turns) == ["t0", "b0", "t1"]
    shares = References(count=3, order="sampled", groups="disjoint", shares={"b": 1, "a": 2})
    assert ids(choose(samples, shares, "d")) == ["b0", "t0", "t1"]
    assert ids(choose(samples, shares, "d", 1)) == ["b1", "t2"], "what one stage lacks no other gives"


def test_samples_read_their_group():
    policy = References(groups="random", per_group=2)
    assert [policy.group_of(i) for i in range(5)] == [0, 0, 1, 1, 2]
    assert (policy.num_groups(5), References().num_groups(5)) == (3, 1)
