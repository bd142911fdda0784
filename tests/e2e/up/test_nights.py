"""`a2r up` as an operator uses it: a real server and worker; nights, kills, schedules, secrets."""

import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from endpoints.nights import HOOK, KEY, assert_whole, stored_samples, told_of
from endpoints.operating import A2R

WHOLE = {"small": 40, "big": 20}


def is_fresh(operator, samples="fresh"):
    entry = {"experiment": str(operator.folder / "sums.yaml"), "samples": samples}
    return operator.mine | {"night": {"experiments": [entry]}}


# Over 20 s, as most below: `a2r up` is started for all of them, and each run is a process that the worker starts.
def test_night_runs_alone_and_says_what_changed(operator, endpoint):
    endpoint.latency = 0.3
    first, second = operator.start("nightly", operator.mine), operator.start("nightly", operator.mine)
    both = (first, second)
    waiting = "AwaitingConcurrencySlot"
    operator.until(lambda: any(operator.run(r)["state_name"] == waiting for r in both), every=0.25)
    assert [operator.run(r)["state_name"] for r in both].count("Running") <= 1
    done = [operator.wait(run, "COMPLETED", "FAILED") for run in both]
    assert [run["state_type"] for run in done] == ["COMPLETED", "COMPLETED"]
    spans = sorted((run["start_time"], run["end_time"]) for run in done)
    assert spans[0][1] <= spans[1][0], "one nightly at a time"
    assert endpoint.by_model == WHOLE, "a night with nothing new costs nothing"
    assert done[0]["name"].startswith("night of ")
    artifact = operator.get("/artifacts/a2r-nightly/latest")
    assert "| a2r |" in artifact["data"] and "+0.000" in artifact["data"]
    [page] = Path(operator.mine["root"]).glob("reports/night-*.html")
    assert f"`{page}`" in artifact["data"] and page.stat().st_size > 10_000
    [child] = operator.runs(flow_runs={"parent_flow_run_id": {"any_": [min(done, key=_start)["id"]]}})
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert child["name"] == f"sums evaluate {today}" and {"sums", today} <= set(child["tags"])
    artifacts = operator.post("/artifacts/filter", artifacts={"flow_run_id": {"any_": [child["id"]]}})
    shown = {a["key"]: a["data"] for a in artifacts}
    assert shown["a2r-progress-explore"] == shown["a2r-progress-synthesize"] == 100
    assert "a2r-results" in shown and "a2r-stages" in shown


def _start(run):
    return run["start_time"]


def test_fresh_samples_are_exactly_n_a_problem_and_a_fall_is_told(operator, endpoint, receiver):
    today = datetime.now(UTC)
    yesterday = today - timedelta(days=1)
    for at, expected in [(yesterday, WHOLE), (yesterday, {}), (today, WHOLE)]:
        endpoint.reset()
        endpoint.answer = (lambda *_: "It is \\boxed{-1}.") if at == today else None
        done = operator.wait(operator.start("nightly", is_fresh(operator), at), "COMPLETED")
        assert done["name"] == f"night of {at:%Y-%m-%d}", "a rerun stays that night"
        assert endpoint.by_model == expected
    [told] = operator.until(lambda: told_of(receiver, done["id"]))
    assert told["event"] == "a2r.nightly.regression" and "mean@1 -0." in told["text"]
    assert " fell |" in operator.get("/artifacts/a2r-nightly/latest")["data"]


def test_killed_run_is_completed_by_retry_and_what_is_left_holds_no_secret(operator, endpoint, receiver):
    endpoint.latency = 0.3
    run_id = operator.start("nightly", operator.mine)
    operator.until(lambda: endpoint.by_model["big"] >= 5)
    assert listening(operator) == {"127.0.0.1"}
    operator.kill(run_id)
    operator.wait(run_id, "CRASHED")
    operator.until(lambda: told_of(receiver, run_id))
    operator.wait_for_the_last_word()
    before = stored_samples(operator.mine["root"])
    assert len(before) >= 12, "five answers are of three problems, each with four references"
    endpoint.latency = 0.0
    endpoint.reset()
    operator.retry(run_id)
    operator.wait(run_id, "COMPLETED")
    assert_whole(operator.mine["root"], endpoint, before)
    for secret in (KEY, HOOK):
        assert places_of(secret, operator) == []


def listening(operator):
    """The addresses on which anything of `a2r up` listens."""
    found = [c for process in operator.processes() for c in process.net_connections()]
    return {c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN}


def places_of(secret, operator):
    """Where it is written: all files of all tests here, Prefect's database, what `a2r up` said."""
    held = [path for path in operator.folder.parent.rglob("*") if path.is_file()]
    assert len(held) > 20
    texts = {str(path): path.read_bytes() for path in held}
    texts["the dump of Prefect's database"] = operator.database_dump().encode()
    texts["what a2r up said"] = "".join(operator.said).encode()
    return [name for name, text in texts.items() if secret.encode() in text]


def test_power_cut_is_gone_on_with_by_the_next_start(operator, endpoint):
    automations = {a["name"]: a["id"] for a in operator.post("/automations/filter")}
    assert len(automations) == 4
    endpoint.latency = 0.3
    run_id = operator.start("nightly", operator.mine)
    operator.until(lambda: endpoint.by_model["small"] >= 20)
    operator.power_cut()
    before = stored_samples(operator.mine["root"])
    assert len(before) >= 12
    endpoint.latency = 0.0
    endpoint.reset()
    assert "was interrupted (Running) and is started again" in operator.up()
    assert {a["name"]: a["id"] for a in operator.post("/automations/filter")} == automations
    operator.wait(run_id, "COMPLETED")
    assert_whole(operator.mine["root"], endpoint, before)


def test_busy_port_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [A2R, "up", "--port", str(port)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert f"Port {port} is taken" in done.stderr


# The last: nights that it has started may still wait for their turn when it ends. Over 20 s: the clock has to fire twice.
def test_cron_fires_by_itself_and_costs_nothing_the_second_time(operator, endpoint):
    deployment = operator.deployment("nightly")
    assert [s["schedule"]["cron"] for s in deployment["schedules"]] == ["0 2 * * *"]
    often = {"schedule": {"cron": "* * * * * */20", "timezone": "UTC"}, "parameters": operator.mine}
    operator.patch(f"/deployments/{deployment['id']}", schedules=[often])
    try:
        finished = operator.until(lambda: _finished_by_schedule(operator, deployment["id"]), 600, every=1)
    finally:
        operator.patch(f"/deployments/{deployment['id']}", schedules=[])
    assert len({run["expected_start_time"] for run in finished}) >= 2
    assert endpoint.by_model == WHOLE, "the second night sent nothing"


def _finished_by_schedule(operator, deployment_id):
    runs = operator.runs(
        deployments={"id": {"any_": [deployment_id]}},
        flow_runs={"state": {"type": {"any_": ["COMPLETED"]}}},
    )
    done = [run for run in runs if run["auto_scheduled"]]
    return done if len(done) >= 2 else None
