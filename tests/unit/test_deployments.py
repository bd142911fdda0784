"""prefect.yaml offers what `a2r up` offers, and everything it names can be imported."""

import shlex
import sys
from pathlib import Path

import pytest
import yaml

from configs.nightly import load_nightly

FILE = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())["deployments"]


@pytest.fixture(scope="module")
def ours():
    from flows.deployments import deployments

    return deployments(load_nightly(), "root")


def cron(schedule):
    return (schedule["cron"], schedule["timezone"])


def test_file_and_code_offer_the_same(ours):
    written = {
        (d["entrypoint"], d["name"], tuple(d["tags"]), tuple(map(cron, d.get("schedules", [])))) for d in FILE
    }
    made = {
        (
            d.entrypoint,
            d.name,
            tuple(d.tags),
            tuple((s.schedule.cron, s.schedule.timezone) for s in d.schedules),
        )
        for d in ours
    }
    assert written == made
    limits = {d["entrypoint"]: d["concurrency_limit"]["limit"] for d in FILE if "concurrency_limit" in d}
    assert limits == {d.entrypoint: d.concurrency_limit for d in ours if d.concurrency_limit}
    assert {d["work_pool"]["name"] for d in FILE} == {d.work_pool_name for d in ours}


def test_runs_start_without_a_process_that_fetches_code(ours):
    """Prefect starts that one where no command is named."""
    for deployment in ours:
        assert shlex.split(deployment.job_variables["command"]) == [sys.executable, "-m", "prefect.engine"]


def test_entrypoints_can_be_imported_and_say_what_they_are():
    from prefect.utilities.importtools import import_object

    for deployment in FILE:
        assert import_object(deployment["entrypoint"]).description
        assert deployment["description"]
