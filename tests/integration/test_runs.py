"""Runs as people list and name them: newest first, by id, `latest` or experiment; and the relation of latest runs."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from made_run import store_answers, sums
from typer.testing import CliRunner

from configs.experiment import Experiment
from configs.schema import UserError
from flows.cli import app
from flows.commands.printing.run_list import age
from tasks.analysis.queries import problem_traces, query
from tasks.analysis.report.data import findings
from tasks.analysis.runs import list_runs
from tasks.run import counts_of, resolve
from tasks.stage import missing_of
from warehouse.loader import load
from warehouse.store import Store

STORED = Path(__file__).parents[1] / "data/stored"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four runs of four experiments, and a second, later run of `sums`; it stays as it is."""
    folder = tmp_path_factory.mktemp("runs") / "root"
    shutil.copytree(STORED / "root", folder)
    [first] = folder.glob("runs/*-sums-*.json")
    again = json.loads(first.read_text()) | {
        "run_id": "20261129T000000-sums-0",
        "started_at": "2026-11-29T00:00:00Z",
    }
    (folder / "runs/20261129T000000-sums-0.json").write_text(json.dumps(again))
    shutil.copy(first.with_suffix(".parquet"), folder / "runs/20261129T000000-sums-0.parquet")
    load(Store(str(folder)))
    return str(folder)


def a2r(*arguments):
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_runs_are_listed_newest_first_with_headline_and_cost(root):
    runs = list_runs(root, 20)
    assert [run.experiment for run in runs] == ["sums", "refused", "votes", "judged", "sums"]
    golden = json.loads((STORED / "golden/sums.json").read_text())
    newest, oldest = runs[0], runs[-1]
    assert oldest.run_id == golden["run_id"] and newest.run_id == "20261129T000000-sums-0"
    assert (oldest.metric, oldest.estimate, oldest.low) == (
        "a2r",
        golden["metrics"]["a2r"]["estimate"],
        golden["metrics"]["a2r"]["low"],
    )
    assert oldest.num_tokens == sum(cost["tokens"] for cost in golden["cost"].values())
    [votes] = [run for run in runs if run.experiment == "votes"]
    assert votes.metric.startswith("cons@"), "without a synthesizer the vote is the headline"
    assert [run.run_id for run in list_runs(root, 1)] == [newest.run_id]
    assert len(list_runs(root, 20, "sums")) == 2
    with pytest.raises(
        UserError, match="no run of an experiment nope; there are: judged, refused, sums, votes"
    ):
        list_runs(root, 20, "nope")


def test_list_is_a_table_or_json(root):
    shown = a2r("runs", "--root", root)
    assert shown.index("20261129T000000-sums-0") < shown.index("20261128T165513-sums")
    assert "incomplete" in shown and "cons@" in shown
    data = json.loads(a2r("runs", "--root", root, "--json", "--limit", "2"))
    assert [run["experiment"] for run in data["runs"]] == ["sums", "refused"]
    assert {"run_id", "status", "num_problems", "metric", "estimate", "low", "high", "dollars"} <= set(
        data["runs"][0]
    )


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        (timedelta(seconds=-3), "0 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=12, hours=3), "12 d"),
    ],
)
def test_age_is_short(since, shown):
    assert age(since) == shown


def test_latest_and_names_mean_runs_everywhere(root):
    newest = "20261129T000000-sums-0"
    problem = query("select problem_id from samples where run_id = ? limit 1", root, [newest]).to_pylist()[0][
        "problem_id"
    ]
    for name, run_id in [("latest", newest), ("sums", newest), ("sums~1", list_runs(root, 9)[-1].run_id)]:
        assert problem_traces(problem, root, name).run_id == run_id
        assert [run["run_id"] for run in findings(Store(root), [name]).runs] == [run_id]
        assert f"run {run_id}" in a2r("show", problem, "--run", name, "--root", root)
    with pytest.raises(UserError, match="There is no run nope; the latest are"):
        problem_traces(problem, root, "nope")


def test_latest_runs_count_each_problem_once(root):
    counted = "select count(*) as n, count(distinct problem_id) as m from synthesis_outcomes {} where run_id like '%sums%'"
    [every] = query(counted.format(""), root).to_pylist()
    [latest] = query(counted.format("semi join latest_runs using (run_id)"), root).to_pylist()
    assert every["n"] == 2 * latest["n"] and latest["n"] == latest["m"]
    names = query("select experiment, run_id from latest_runs order by 1", root).to_pylist()
    assert [row["experiment"] for row in names] == ["judged", "refused", "sums", "votes"]
    assert names[2]["run_id"] == "20261129T000000-sums-0"


def test_what_another_run_at_once_has_made_is_reused_and_not_generated(tmp_path):
    run = resolve(
        Experiment.model_validate(sums(tmp_path, [f"What is {n}?" for n in range(3)])), Store(str(tmp_path))
    )
    stage = run.stages[0]
    wanted = [trace for plan in missing_of(stage, run.problems) for trace in plan.wanted]
    store_answers(stage, run.problems, lambda _: ["42", "41"])
    stage.index.arrived(wanted[0])
    counts = counts_of(run, stage)
    assert (counts["wanted"], counts["generated"], counts["reused"]) == (6, 1, 5)
