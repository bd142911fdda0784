"""A selection's answer is the candidate's that it names; where it names none, the vote's."""

from datetime import UTC, datetime

import pytest

from configs.experiment import Experiment
from configs.roles import References
from tasks.engines.protocol import Completion
from tasks.prompts.references import Candidate, shown
from tasks.prompts.selection import Reply, choice_of, reading_of


def candidates(*answers):
    return [Candidate(f"t{i}", i, "ok", answer=rf"So \boxed{{{answer}}}") for i, answer in enumerate(answers)]


def said(answer, finish_reason="stop", reasoning="let me see"):
    return Completion(reasoning, answer, finish_reason, 1, 0, 5, 5, 5, datetime.now(UTC), 0.1, 1)


def selection(completion, *answers, **policy):
    """What a selection among these answers comes to."""
    chosen = candidates(*answers)
    read = reading_of("select", chosen, shown(chosen, References(count=len(answers), **policy)))
    assert read
    return Reply(**read(completion))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Choice: 2", 2),
        ("Candidate 1 errs.\n\n**Choice:** 3", 3),
        ("Choice: 1, no: wait.\nChoice: 2", 2),
        (r"so \boxed{ 2 }", 2),
        ("choice 3.", 3),
        ("Choice: 4", None),
        ("Choice: 0", None),
        ("Candidate 2 is right", None),
        ("Multiple-choice questions are hard", None),
        ("", None),
    ],
)
def test_choice_is_the_last_that_is_named(text, number):
    assert choice_of(text, 3) == number


def test_answer_is_the_candidates_and_what_was_said_is_the_reasoning():
    reply = selection(said("The second holds.\nChoice: 2"), "7", "8", "7")
    assert reply == ("ok", "let me see\n\nThe second holds.\nChoice: 2", r"So \boxed{8}", "t1")


@pytest.mark.parametrize("completion", [said("Who knows?"), said("Choice: 9"), said("Choice: 2", "length")])
def test_reply_without_a_choice_falls_back_to_the_vote(completion):
    reply = selection(completion, "7", "8", "8.0", "9")
    assert (reply.status, reply.answer, reply.selected_id) == ("ok", r"So \boxed{8}", None)


def test_vote_without_answers_is_the_first_candidate():
    chosen = [Candidate("a", 0, "ok", answer="no idea"), Candidate("b", 1, "ok", answer="none")]
    read = reading_of("select", chosen, shown(chosen, References(count=2)))
    assert read
    assert read(said("?"))["answer"] == "no idea"


def test_number_of_merged_candidates_is_that_of_the_prompt():
    assert selection(said("Choice: 2"), "7", "7", "9", duplicates="merge").selected_id == "t2"


def test_nothing_to_choose_from_is_an_empty_answer():
    read = reading_of("select", [], ())
    assert read
    assert tuple(read(said("Choice: 1")).values()) == ("ok", "let me see\n\nChoice: 1", "", None)


def test_other_kinds_are_read_as_they_are():
    assert reading_of("synthesize", candidates("7"), ()) is None


def test_selection_among_one_is_refused_and_the_prompt_is_of_its_kind():
    role = {"model": {"id": "m"}, "engine": {"kind": "openai", "base_url": "http://localhost:1/v1"}}
    data = {"name": "x", "benchmark": {"source": "generated"}, "explorer": role | {"sampling": {"n": 4}}}
    experiment = Experiment.model_validate(data | {"synthesizer": role | {"kind": "select"}})
    assert (experiment.stages[1].name, experiment.stages[1].role.prompt) == ("select", "select")
    with pytest.raises(
        ValueError, match=r"selects among one candidate \(references.count is 1\); raise references"
    ):
        Experiment.model_validate(
            data | {"synthesizer": role | {"kind": "select", "references": {"count": 1}}}
        )
