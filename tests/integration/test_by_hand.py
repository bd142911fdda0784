"""Verdicts by hand: above every grader, visible as such, withdrawn without a trace being lost, refused row by row."""

import csv
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from made_run import Made, finish_run, sums

from configs.experiment import Experiment
from configs.graders import ExactGrader
from configs.schema import UserError
from tasks.analysis.queries import problem_traces
from tasks.analysis.report.page import write_report
from tasks.graders.exact import Exact
from tasks.grading.assessment import Assessment
from tasks.grading.by_hand import override, withdraw
from tasks.publish import summarize
from tasks.run import members_of, resolve
from warehouse.catalog import connect, rows
from warehouse.integrity import verify

EXACT = Exact(ExactGrader(kind="exact")).key
RIGHT = {("explore", 0)}
"""Which samples of each problem the grader found right."""


def experiment(folder):
    """Two problems, two explorer samples each, and a synthesis; a third problem has the first one's question."""
    return sums(folder, ["a", "b", "a"])


def made(stage, problem, index):
    is_right = (stage, index) in RIGHT
    return Made("text", "correct" if is_right else "wrong", "42" if is_right else "many", reasoning="r")


def finished(folder):
    return finish_run(experiment(folder), folder / "root", "run-1", made)


@pytest.fixture
def store(tmp_path):
    return finished(tmp_path)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    """The same for tests whose verdicts are refused: it stays as it is."""
    return finished(tmp_path_factory.mktemp("unchanged"))


def asked(store, query):
    with connect(store) as catalog:
        return rows(catalog, query)


def entered(store, path, *lines):
    """Write and enter a CSV file of these rows."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["trace", "problem", "answer", "verdict", "who", "why"])
        writer.writeheader()
        writer.writerows(lines)
    return override(store, path)


def by(**row):
    return {"verdict": "correct", "who": "Ann", "why": "it says so in words", **row}


def verdicts(store):
    found = asked(store, "from samples where problem_id <> 's2' order by stage, problem_id, sample_index")
    return [(row["verdict"], row["is_correct"], row["is_by_hand"], row["decided_by"]) for row in found]


GRADED = [("correct", True, False, EXACT), ("wrong", False, False, EXACT)] * 2 + [
    ("wrong", False, False, EXACT)
] * 2


def test_trace_is_decided_by_hand_and_every_number_uses_it(store, tmp_path):
    [trace] = asked(store, "from samples where stage = 'explore' and problem_id = 's1' and sample_index = 1")
    report = entered(store, tmp_path / "mine.csv", by(trace=trace["trace_id"]))
    assert (report.entered, report.num_samples, report.num_runs) == ((1, 0, 0), 1, 1)
    expected = [*GRADED[:3], ("correct", True, True, "Ann"), *GRADED[4:]]
    assert verdicts(store) == expected
    summary = summarize(store, "run-1")
    assert summary["verdicts"]["explore"]["by_hand"] == 1
    assert summary["metrics"]["mean@1"]["estimate"] == pytest.approx((0.5 + 1.0 + 0.5) / 3)
    board = asked(store, "select num_by_hand from leaderboard order by stage")
    assert [row["num_by_hand"] for row in board] == [1, 0]
    assert {
        row["verdict"] for row in asked(store, "from grades where trace_id = '" + trace["trace_id"] + "'")
    } == {"wrong"}, "the grader's own verdict stays"
    run = resolve(Experiment.model_validate(experiment(tmp_path)), store)
    counts = Assessment(run.stages[0], members_of(run)["explore"], run.grader.key).counts
    assert counts == summary["verdicts"]["explore"], "the catalog and the grading step count alike"
    [_, shown] = [t for t in problem_traces("s1", store.root).traces if t.stage == "explore"]
    assert (shown.verdict, shown.decided_by, shown.why_by_hand) == ("correct", "Ann", "it says so in words")
    write_report(store, ["run-1"], tmp_path / "report.html")
    assert "1 verdicts by hand" in (tmp_path / "report.html").read_text()
    assert list(verify(store)) == []


def test_answer_to_a_problem_is_decided_for_whoever_gives_it(store, tmp_path):
    """In the grader's spelling or another one; also for the problem of the same question."""
    report = entered(store, tmp_path / "mine.csv", by(problem="s0", answer=r"\text{many}"))
    assert report.num_samples == 4, "one explorer sample and the synthesis, of s0 and of s2"
    found = asked(store, "select problem_id, stage, sample_index from samples where is_by_hand order by all")
    assert {(row["problem_id"], row["stage"]) for row in found} == {
        (problem, stage) for problem in ("s0", "s2") for stage in ("explore", "synthesize")
    }
    assert summarize(store, "run-1")["metrics"]["a2r"]["estimate"] == pytest.approx(2 / 3)


def test_more_special_and_later_verdicts_go_first(store, tmp_path):
    [trace] = asked(store, "from samples where stage = 'explore' and problem_id = 's1' and sample_index = 1")
    entered(store, tmp_path / "a.csv", by(trace=trace["trace_id"], who="Ann"), by(problem="s1", who="Bea"))
    found = asked(
        store, "select decided_by from samples where problem_id = 's1' order by stage, sample_index"
    )
    assert [row["decided_by"] for row in found] == ["Bea", "Ann", "Bea"]
    entered(store, tmp_path / "b.csv", by(trace=trace["trace_id"], who="Cleo", verdict="wrong"))
    found = asked(
        store, "select decided_by, verdict from samples where problem_id = 's1' and sample_index = 1"
    )
    assert found == [{"decided_by": "Cleo", "verdict": "wrong"}]


def test_lines_that_are_removed_and_files_that_are_withdrawn_stay_on_record(store, tmp_path):
    path = tmp_path / "mine.csv"
    entered(store, path, by(problem="s0"), by(problem="s1"))
    assert verdicts(store) != GRADED
    assert entered(store, path, by(problem="s1")).entered == (0, 1, 1)
    assert {row["problem_id"] for row in asked(store, "from samples where is_by_hand")} == {"s1"}
    assert withdraw(store, "elsewhere/mine.csv").entered == (0, 0, 1)
    assert verdicts(store) == GRADED
    record = asked(store, "select problem_id, who, is_in_force from corrections order by problem_id")
    assert [tuple(row.values()) for row in record] == [("s0", "Ann", False), ("s1", "Ann", False)]
    assert entered(store, path, by(problem="s1")).entered == (1, 0, 0), "and can be entered again"
    store.catalog_path.unlink()
    assert entered(store, path, by(problem="s1")).entered == (0, 1, 0)
    assert {row["problem_id"] for row in asked(store, "from samples where is_by_hand")} == {"s1"}, (
        "rebuilt alike"
    )
    with pytest.raises(UserError, match=r"No verdicts of a file other.csv .* there are verdicts of mine.csv"):
        withdraw(store, "other.csv")


def test_each_bad_row_has_its_sentence_and_nothing_is_entered(unchanged, tmp_path):
    bad = [
        (by(), "names neither a trace nor a problem"),
        (by(trace="f" * 32), "which is not stored"),
        (by(problem="s9"), 'has the problem s9, which is not stored; `a2r sql "from problems"` lists them'),
        (by(problem="s0", verdict="maybe"), "has the verdict 'maybe'; write correct or wrong"),
        (by(problem="s0", verdict=""), "lacks verdict"),
        (by(problem="s0", who=""), "lacks who; say who decided"),
        (by(problem="s0", why=""), "lacks why; say the reason"),
        (by(problem="s1"), None),
        (by(problem="s1"), "decides the same as line 9; keep one of them"),
    ]
    with pytest.raises(UserError) as raised:
        entered(unchanged, tmp_path / "mine.csv", *(row for row, _ in bad))
    head, *sentences = str(raised.value).splitlines()
    assert head == "mine.csv: 8 of 9 rows are not verdicts, so none was entered."
    expected = [(line, text) for line, (_, text) in enumerate(bad, start=2) if text]
    assert len(sentences) == len(expected)
    for sentence, (line, text) in zip(sentences, expected, strict=True):
        assert sentence.startswith(f"mine.csv, line {line} ")
        assert text in sentence
    assert verdicts(unchanged) == GRADED
    assert asked(unchanged, "from corrections") == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "problem,anwser,verdict,who,why\n", r"column 'anwser'; did you mean answer\?"),
        ("x.jsonl", '{"problem": "s0"\n', "line 1 is not JSON"),
        ("x.jsonl", "[1]\n", "line 1 is not an object"),
        ("x.txt", "", "give a .csv or a .jsonl file"),
    ],
)
def test_file_that_cannot_be_read_is_refused(unchanged, tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        override(unchanged, tmp_path / name)


def test_rows_of_a_query_can_be_filled_in_and_given_back_on_the_command_line(store, tmp_path):
    """JSON lines with SQL's own column names; the command needs no experiment, and prints what changed."""
    [row] = asked(
        store, "select trace_id, problem_id from samples where stage = 'synthesize' and problem_id = 's1'"
    )
    file = tmp_path / "mine.jsonl"
    file.write_bytes(orjson.dumps(row | {"verdict": "correct", "who": "Ann", "why": "words"}))
    command = [Path(sys.executable).with_name("a2r"), "grade", "--root", store.root]
    done = subprocess.run([*command, "--override", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "mine.jsonl: 1 verdicts by hand entered, 0 withdrawn, 0 as before. "
        "In all, 1 samples of 1 runs are decided by hand.\n"
    )
    done = subprocess.run(
        [*command, "--withdraw", file, "--json"], capture_output=True, text=True, check=True
    )
    [report] = orjson.loads(done.stdout)["corrections"]
    assert (report["source"], report["num_withdrawn"], report["num_samples"]) == ("mine.jsonl", 1, 0)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "name an experiment, or give --override FILE" in done.stderr
