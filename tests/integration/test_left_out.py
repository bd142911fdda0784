"""What a number leaves out stands beside it: undecided verdicts, missing problems, unknown prices, likely causes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from made_run import Made, finish_run, sums
from rich.console import Console

from configs.experiment import Experiment
from configs.graders import (
    ChoiceGrader,
    ExactGrader,
    FunctionGrader,
    JudgeGrader,
    MathGrader,
    NumericGrader,
    RegexGrader,
)
from flows.commands.printing.runs import print_summary
from tasks.analysis.report.data import findings
from tasks.analysis.report.figures import charts
from tasks.analysis.report.page import write_report
from tasks.grading.assessment import Assessment
from tasks.ops.night_line import line_of
from tasks.ops.night_results import NightAttempt, result_of
from tasks.publish import summarize
from tasks.run import members_of, resolve
from warehouse.catalog import connect, rows
from warehouse.journal import traces_table
from warehouse.loader import load
from warehouse.store import traces_folder

PRICE = {"input": 1.0, "output": 2.0}


def experiment(folder, questions, **changes):
    """With a price and a size of the explorer alone."""
    content = sums(folder, questions, **changes)
    content["explorer"]["model"] |= {"params": 1e6, "price": PRICE}
    return content


def asked(store, query):
    with connect(store) as catalog:
        return rows(catalog, query)


def undecided(stage, problem, index):
    """Of each problem the first explorer sample is undecided, of s0 also the synthesis."""
    is_decided = index == 1 if stage == "explore" else problem.problem_id != "s0"
    return Made(r"\boxed{42}", "correct" if is_decided else "grader_error", "42")


def test_undecided_verdicts_stand_beside_every_number(tmp_path):
    store = finish_run(experiment(tmp_path, ["a", "b", "c", "d"]), tmp_path / "root", "run-1", undecided)
    summary = summarize(store, "run-1")
    assert summary["verdicts"] == {
        "explore": {
            "answers": 8,
            "decided": 4,
            "no_answer": 0,
            "truncated": 0,
            "undecided": 4,
            "ungraded": 0,
            "by_hand": 0,
        },
        "synthesize": {
            "answers": 4,
            "decided": 3,
            "no_answer": 0,
            "truncated": 0,
            "undecided": 1,
            "ungraded": 0,
            "by_hand": 0,
        },
    }
    metric = summary["metrics"]["a2r"]
    assert (metric["estimate"], metric["n"], metric["wanted"], metric["undecided"]) == (1.0, 3, 4, 1)
    assert (summary["metrics"]["cons@2"]["n"], summary["metrics"]["cons@2"]["wanted"]) == (0, 4)
    [row] = asked(store, "from metrics where metric = 'a2r'")
    beside = ("num_problems", "num_wanted_problems", "num_left_out", "num_grader_errors", "num_ungraded")
    assert [row[name] for name in beside] == [3, 4, 1, 1, 0]
    write_report(store, ["run-1"], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "a2r · 3 of 4 problems, 1 samples without a verdict" in page
    run = resolve(Experiment.model_validate(experiment(tmp_path, ["a", "b", "c", "d"])), store)
    members = members_of(run)
    for stage in run.stages:
        found = Assessment(stage, members[stage.name], run.grader.key).counts
        assert found == summary["verdicts"][stage.name], "the catalog and the grading step count alike"


TOLD = next(
    case
    for line in (Path(__file__).parents[1] / "cases" / "data.jsonl").open("rb")
    if (case := orjson.loads(line))["read"] == "told"
)


def test_a_run_says_how_many_verdicts_its_numbers_lack(tmp_path, capsys):
    """Two recorded outputs, of which the grader can decide one."""
    row = orjson.loads(TOLD["content"])
    content = experiment(tmp_path, [row["question"]], synthesizer=None)
    verdicts = ("grader_error", "correct")
    store = finish_run(
        content, tmp_path / "root", "run-1", lambda _, __, i: Made(row["output"][i], verdicts[i], "42")
    )
    print_summary(summarize(store, "run-1"), Console(width=200), "root")
    assert TOLD["expected"]["told"] in capsys.readouterr().out
    stage = resolve(Experiment.model_validate(content), store)
    counts = Assessment(stage.stages[0], members_of(stage)["explore"], stage.grader.key)
    assert counts.undecided(MathGrader(kind="math"), 0.02, Counter()), (
        "and it is a reason to call it incomplete"
    )


def test_problems_without_a_synthesis_are_left_out_and_counted(tmp_path):
    """The explorer's failures leave a problem without references, so that it has no synthesis to count."""

    def failing(stage, problem, index):
        is_made = stage == "synthesize" or problem.problem_id != "s0"
        return (
            Made(r"\boxed{42}", "correct", "42")
            if is_made
            else Made(None, None, status="error", error_code="timeout")
        )

    store = finish_run(experiment(tmp_path, ["a", "b", "c"]), tmp_path / "root", "run-1", failing)
    [row] = asked(
        store, "select num_problems, num_wanted_problems, num_left_out from metrics where metric = 'a2r'"
    )
    assert list(row.values()) == [2, 3, 1]


def test_attempts_are_counted_like_those_wanted_where_problems_share_a_question(tmp_path):
    """Three problems of two questions: six samples of the explorer, four traces."""
    store = finish_run(
        experiment(tmp_path, ["a", "b", "a"]),
        tmp_path / "root",
        "run-1",
        lambda *_: Made(r"\boxed{42}", "correct", "42"),
    )
    found = asked(store, "select num_attempts, num_wanted from leaderboard order by stage")
    assert [tuple(row.values()) for row in found] == [(6, 6), (3, 3)]
    assert summarize(store, "run-1")["stages"]["explore"]["wanted"] == 4, "traces"


def test_unknown_price_is_null_with_its_reason(tmp_path):
    store = finish_run(
        experiment(tmp_path, ["a", "b"]),
        tmp_path / "root",
        "run-1",
        lambda *_: Made(r"\boxed{42}" * 9, "correct", "42"),
    )
    found = {row["metric"]: row for row in asked(store, "from pareto")}
    assert found["mean@1"]["dollars"] > 0
    assert found["mean@1"]["cost_note"] is None
    assert (found["a2r"]["dollars"], found["a2r"]["petaflops"]) == (None, None)
    assert found["a2r"]["cost_note"] == "dollars: big has no price; petaflops: big has no params"
    assert summarize(store, "run-1")["cost"]["synthesize"]["cost_note"] == found["a2r"]["cost_note"]
    told = "Not drawn: a2r, whose cost is unknown (dollars: big has no price; petaflops: big has no params)."
    assert any(told in chart.note for chart in charts(findings(store, ["run-1"])))


def test_dollars_are_null_where_one_answer_has_none_and_a_night_pays_for_what_nobody_wants_any_more(tmp_path):
    content = experiment(tmp_path, ["a", "b"])
    content["synthesizer"]["model"] |= {"params": 1e6, "price": PRICE}
    store = finish_run(
        content,
        tmp_path / "root",
        "run-1",
        lambda stage, _, index: Made("42", "correct", "42", is_counted=stage != "explore" or index == 0),
    )
    costs = {row["stage"]: row for row in asked(store, "from costs")}
    assert (costs["explore"]["dollars"], costs["synthesize"]["dollars"] > 0) == (None, True)
    assert costs["explore"]["cost_note"] == (
        "dollars unknown, tokens and petaflops too low: the engine did not count the tokens of 2 answers"
    )
    assert asked(store, "select dollars from pareto where metric = 'a2r'") == [{"dollars": None}]

    run = resolve(Experiment.model_validate(content), store)
    synthesizer, problem = run.stages[1], run.problems[0]
    abandoned = {
        "trace_id": "f" * 32,
        "problem_id": problem.problem_id,
        "problem_digest": problem.problem_digest,
        "sample_index": 0,
        "status": "ok",
        "answer": "42",
        "num_billed_prompt_tokens": 1_000_000,
        "num_completion_tokens": 0,
        "started_at": 1_700_000_000_000_000,
        "num_tries": 1,
        "reference_ids": (),
    }
    elsewhere = abandoned | {"trace_id": "e" * 32, "problem_digest": "0" * 32}
    store.write_part(traces_folder(synthesizer.recipe), traces_table([abandoned, elsewhere]))
    load(store)
    night = NightAttempt("sums", summarize(store, "run-1"), "", 1.0, 7)
    began = datetime.fromtimestamp(1_700_000_000, UTC)
    result = result_of(store, night, began)
    assert (result.num_made, result.dollars, result.uncounted, result.unpriced) == (7, None, ("small",), ())
    assert "Dollars unknown (not all tokens of small were counted), 1,000,080 tokens" in str(
        line_of([result])
    )
    assert [spent.dollars for spent in result.spent] == [None, pytest.approx(1.00004)]
    assert result_of(store, night, began + timedelta(days=1)).dollars == 0


def _outcome(tmp_path, verdicts, extracted="42"):
    """One explorer sample per verdict, as the grading step sees them."""
    said = iter(verdicts)
    told = {}

    def made(stage, problem, index):
        verdict = told.setdefault((stage, problem.problem_id, index), next(said, "correct"))
        return Made("text", verdict, extracted)

    content = experiment(tmp_path, [f"q{i}" for i in range(len(verdicts) // 2)], synthesizer=None)
    store = finish_run(content, tmp_path / "root", "run-1", made)
    run = resolve(Experiment.model_validate(content), store)
    return Assessment(run.stages[0], members_of(run)["explore"], run.grader.key)


JUDGE = {
    "kind": "judge",
    "model": {"id": "j"},
    "engine": {"kind": "openai", "base_url": "http://127.0.0.1:9"},
}


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        (MathGrader(kind="math"), "set grader.fallback to phrase"),
        (ExactGrader(kind="exact", fallback="phrase"), "nor what grader.fallback phrase looks for"),
        (ChoiceGrader(kind="choice"), "set grader.fallback to phrase"),
        (RegexGrader(kind="regex", pattern=r"x=(\d+)"), r"grader.pattern 'x=(\\d+)' does not match"),
        (FunctionGrader(kind="function", function="a:b", answer="box"), "set grader.answer to whole"),
        (JudgeGrader.model_validate(JUDGE), "set grader.answer to whole"),
        (JudgeGrader.model_validate(JUDGE | {"answer": "whole"}), "they are empty"),
    ],
)
def test_many_texts_without_an_answer_are_warned_of_with_the_likely_cause(tmp_path, settings, cause):
    outcome = _outcome(tmp_path, ["no_answer"] * 2 + ["correct"] * 18)
    [warning] = outcome.warnings(settings)
    assert warning.startswith(
        "explore: 2 of 20 answers (10.0 %) count as wrong because no answer was found in them: "
    )
    assert cause in warning


def test_few_texts_without_an_answer_are_only_counted(tmp_path):
    outcome = _outcome(tmp_path, ["no_answer"] + ["correct"] * 19)
    assert outcome.warnings(MathGrader(kind="math")) == []
    assert outcome.counts["no_answer"] == 1


def test_cut_off_answers_and_answers_without_a_letter_are_warned_of(tmp_path):
    [cut] = _outcome(tmp_path, ["truncated"] * 2 + ["correct"] * 18).warnings(MathGrader(kind="math"))
    assert "raise explorer.sampling.max_tokens, which is 2048" in cut
    (tmp_path / "letters").mkdir()
    outcome = _outcome(tmp_path / "letters", ["wrong"] * 4 + ["correct"] * 16, extracted="x+1")
    assert any("names no letter" in text for text in outcome.warnings(ChoiceGrader(kind="choice")))
    assert outcome.warnings(MathGrader(kind="math")) == []


@pytest.mark.parametrize(
    ("settings", "verdict", "unread", "cause"),
    [
        (MathGrader(kind="math"), "grader_error", {}, "too long or too deeply nested"),
        (MathGrader(kind="math"), "timeout", {}, "took more than 2 CPU seconds"),
        (ChoiceGrader(kind="choice"), "grader_error", {}, "the gold answers name no letter"),
        (NumericGrader(kind="numeric"), "grader_error", {}, "the gold answers are not numbers"),
        (FunctionGrader(kind="function", function="a:b"), "grader_error", {}, "a:b raised an error"),
        (
            JudgeGrader.model_validate(JUDGE),
            "grader_error",
            {"were cut off at max_tokens": 3},
            "3 were cut off at max_tokens",
        ),
        (JudgeGrader.model_validate(JUDGE), None, {}, "could not be judged now"),
    ],
)
def test_too_many_undecided_verdicts_are_a_reason_with_a_remedy(tmp_path, settings, verdict, unread, cause):
    outcome = _outcome(tmp_path, [verdict] * 3 + ["correct"] * 17)
    reason = outcome.undecided(settings, 0.02, Counter(unread))
    assert reason is not None
    assert reason.startswith(
        "explore: 3 of 20 answers (15.0 %) have no verdict and are left out of every number"
    )
    assert cause in reason
    assert "a2r grade --override FILE" in reason
    assert outcome.undecided(settings, 0.15, Counter()) is None, "as many as may be"
