"""A root made by version 0.1.0, before manifests had a version, means today what it meant then.

It is read, verified, reported on and continued without a request; and the same experiments in an empty
root leave the same members and manifests and print the same numbers.
"""

import json
import re
import shutil
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from data.make_root import experiments, serving

from configs.experiment import Experiment
from configs.schema import UserError
from tasks.analysis.report.page import write_report
from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.store import Store
from warehouse.summarize import summarize

STORED = Path(__file__).parents[1] / "data/stored"
NAMES = ("sums", "judged", "votes", "refused")
OF_THE_MOMENT = {"run_id", "started_at", "finished_at", "versions", "servers", "manifest_version"}


def golden(name):
    return json.loads((STORED / f"golden/{name}.json").read_text())


def manifest_of(root, name):
    [path] = root.glob(f"runs/*-{name}-*.json")
    return json.loads(path.read_text())


def members_of(root, name):
    [path] = root.glob(f"runs/*-{name}-*.parquet")
    return pq.read_table(path).to_pylist()


def lasting(manifest):
    """What of a manifest does not depend on when, where and behind which port it was made.

    A grader's version is not compared: it rises with what the grader decides, and the stored traces are graded anew.
    """
    kept = {key: value for key, value in manifest.items() if key not in OF_THE_MOMENT}
    kept["grader"] = re.sub(r"-\d+", "", kept["grader"], count=1)
    return json.loads(re.sub(r"127\.0\.0\.1:\d+", "endpoint", json.dumps(kept)))


def known(now, then):
    """What of `now` there was `then`: objects may have got further keys, and nothing else may differ."""
    if isinstance(now, dict) and isinstance(then, dict):
        return {key: known(value, then[key]) for key, value in now.items() if key in then}
    return now


def run(experiment, root):
    from flows.evaluate import evaluate

    try:
        return evaluate(Experiment.model_validate(experiment), str(root))
    except UserError as error:  # the experiment of which samples are refused fails, as it has to
        return error.summary


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A copy of the stored root, its catalog made anew; it stays as it is."""
    root = tmp_path_factory.mktemp("stored") / "root"
    shutil.copytree(STORED / "root", root)
    load(Store(str(root)))
    return Store(str(root))


def test_stored_root_has_no_damage(stored):
    assert list(verify(stored)) == []


@pytest.mark.parametrize("name", NAMES)
def test_stored_run_reads_as_its_command_printed_it(stored, name):
    printed = golden(name)
    summary = orjson.loads(orjson.dumps(summarize(stored, printed["run_id"])))
    assert known(summary, printed) == printed


def test_stored_root_is_reported_on(stored, tmp_path):
    run_ids = [golden(name)["run_id"] for name in NAMES]
    write_report(stored, run_ids, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert all(run_id in page for run_id in run_ids)


def test_stored_root_answers_sql(stored):
    with connect(stored) as catalog:
        texts = catalog.execute("select count(*) from traces where status <> 'error'").fetchone()
        failures = catalog.execute(
            "select num_errors from leaderboard where experiment = 'refused'"
        ).fetchone()
        outcomes = catalog.execute("select count(*) from synthesis_outcomes").fetchone()
    assert (texts, failures, outcomes) == ((57,), (1,), (12,))


@pytest.mark.parametrize("name", NAMES)
def test_stored_root_is_continued_without_a_request(prefect, tmp_path, name):
    root = tmp_path / "root"
    shutil.copytree(STORED / "root", root)
    asked = {"refused": 1}.get(name, 0)  # what was refused is asked about again, and nothing else
    with serving() as endpoint:
        experiment = next(
            e for e in experiments(endpoint.base_url, STORED / "problems.jsonl") if e["name"] == name
        )
        summary = run(experiment, root)
        assert len(endpoint.requests) == asked
    assert known(summary["metrics"], golden(name)["metrics"]) == golden(name)["metrics"]
    assert all(stage["generated"] == 0 for stage in summary["stages"].values())


def test_same_experiments_leave_the_same_record(prefect, tmp_path):
    fresh = tmp_path / "fresh"
    with serving() as endpoint:
        for experiment in experiments(endpoint.base_url, STORED / "problems.jsonl"):
            summary = run(experiment, fresh)
            expected = golden(experiment["name"])
            assert {**known(summary, expected), "run_id": ""} == {**expected, "run_id": ""}
            then, now = (manifest_of(place, experiment["name"]) for place in (STORED / "root", fresh))
            now["config"]["benchmark"]["path"] = then["config"]["benchmark"]["path"]
            assert known(lasting(now), lasting(then)) == lasting(then)
            assert members_of(fresh, experiment["name"]) == members_of(STORED / "root", experiment["name"])
