"""`a2r up` as an operator uses it: a real server, worker and browser; failures, kills, schedules, secrets.

One `a2r up` serves all tests; each has a root of its own, except two which need the one that it serves.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from endpoints.batches import BatchEndpoint
from endpoints.nights import asked_for, experiment_file, stored_samples
from endpoints.operating import A2R, Operator
from endpoints.scripted import ScriptedEndpoint

from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.manifest import manifests
from warehouse.store import Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

KEY = "sk-nowhere-to-be-seen-0123456789"
HOOK = "/hook/also-nowhere-9876543210"
WHOLE = {"small": 40, "big": 20}
ENDED = ("COMPLETED", "FAILED", "CRASHED")


class Receiver(ThreadingHTTPServer):
    """Where the webhook calls."""

    def __init__(self):
        self.told = told = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.append((self.path, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture(scope="module")
def served():
    with ScriptedEndpoint(key=KEY) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def receiver():
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def seat(folder, endpoint, receiver):
    """An operator on a night of one experiment."""
    path = experiment_file(folder, endpoint, api_key_env="A2R_TEST_KEY")
    night = {"experiments": [{"experiment": path.name}]}
    hook = f"http://127.0.0.1:{receiver.server_port}{HOOK}"
    return Operator(
        folder,
        night,
        A2R_TEST_KEY=KEY,
        A2R_WEBHOOK_URL=hook,
        PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS="3",
    )


@pytest.fixture(scope="module")
def seated(served, receiver, tmp_path_factory):
    with seat(tmp_path_factory.mktemp("operator"), served, receiver) as operator:
        yield operator


@pytest.fixture
def endpoint(served):
    yield served
    served.fault, served.answer, served.latency = None, None, 0.0
    served.reset()


@pytest.fixture
def operator(seated, endpoint, tmp_path):
    seated.mine = {"root": str(tmp_path / "root")}
    return seated


def is_fresh(operator, samples="fresh"):
    entry = {"experiment": str(operator.folder / "sums.yaml"), "samples": samples}
    return operator.mine | {"night": {"experiments": [entry]}}


# Over 20 s, as most below: `a2r up` is started for all of them, and each run is a process that the worker starts.
def test_night_runs_alone_and_says_what_changed(operator, endpoint):
    endpoint.latency = 0.3
    first, second = operator.start("nightly", operator.mine), operator.start("nightly", operator.mine)
    both = (first, second)
    operator.until(lambda: any(operator.run(r)["state_name"] == "AwaitingConcurrencySlot" for r in both))
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


def told_of(receiver, run_id):
    """What the webhook was told of that run."""
    return [body for path, body in receiver.told if path == HOOK and body["flow_run"] == run_id]


def failed_night(operator, endpoint):
    """A night whose synthesizer's endpoint is down; afterwards it is up and counts anew."""
    endpoint.fault = lambda _, body: (500, "down", {}) if body["model"] == "big" else None
    run_id = operator.start("nightly", operator.mine)
    failed = operator.wait(run_id, "FAILED")
    message = failed["state"]["message"]
    assert "synthesize 1/1: 20 of 20 traces failed (20 server_error)" in message, "which shards, and why"
    assert "20 of 20 synthesize" in message and "press Retry" in message, "what is missing, what to press"
    endpoint.fault = None
    endpoint.reset()
    return run_id


def pictures(operator):
    return Path(os.environ.get("A2R_SCREENSHOTS") or operator.folder)


@pytest.fixture
def page():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def press(page, button, path):
    """Press it, and again while the server says that its database is locked (503), as a person would."""
    for _ in range(30):
        with page.expect_response(lambda response: response.url.endswith(path)) as answered:
            button().click()
        if answered.value.status != 503:
            break
        page.wait_for_timeout(1000)
    assert answered.value.ok, answered.value.text()


@in_browser
def test_retry_in_the_browser_sends_only_what_is_missing(operator, endpoint, receiver, page):
    run_id = failed_night(operator, endpoint)
    press(page, lambda: retry_of(page, operator, run_id), "/set_state")
    done = operator.wait(run_id, "COMPLETED")
    assert done["id"] == run_id
    assert endpoint.by_model == {"big": 20}
    [told] = operator.until(lambda: told_of(receiver, run_id))
    assert told["event"] == "a2r.nightly.failed" and "20 of 20 synthesize" in told["text"]
    shown_run(page, operator, run_id, "sums is complete.", "run")
    open_page_of_the_night(page, "sums is complete.")
    page.get_by_text("since last night").first.wait_for()
    page.screenshot(path=pictures(operator) / "leaderboard.png")
    page.set_viewport_size({"width": 700, "height": 1400})
    page.get_by_text("since last night").first.wait_for()
    page.screenshot(path=pictures(operator) / "leaderboard-narrow.png")


def is_refused(body):
    """One request of the explorer's in five, by its content, so that sending it again does not help."""
    return body["model"] == "small" and body["seed"] % 5 == 0


def sent(body):
    """What makes a request the same as another."""
    return json.dumps([body["model"], body["seed"], body["messages"]])


@in_browser
def test_refused_night_is_mended_retried_and_its_report_opened_in_the_browser(operator, endpoint, page):
    folder, root = operator.folder / "refused", operator.folder / "root"  # whose reports `a2r up` serves
    folder.mkdir()
    path = experiment_file(folder, endpoint, api_key_env="A2R_TEST_KEY")
    endpoint.fault = lambda _, body: (400, "this prompt is refused", {}) if is_refused(body) else None
    entry = {
        "experiment": str(path),
        "overrides": ["explorer.sampling.seed=1"],
    }  # not what a later test makes here
    run_id = operator.start("nightly", {"night": {"experiments": [entry]}})
    message = operator.wait(run_id, *ENDED)["state"]["message"]
    refused = {sent(body) for body in endpoint.requests if is_refused(body)}
    answered = {sent(body) for body in endpoint.requests} - refused
    assert refused and answered
    assert message.startswith(
        "Change what is refused (prompt, max_tokens) or the endpoint that refuses it, then press Retry"
    )
    assert "only what is missing is made, and the answers that had to do without it." in message
    assert f"sums is not complete. {len(refused)} traces are missing: " in message
    assert f"{len(refused)} × bad_request: HTTP 400: this prompt is refused." in message
    shown_run(page, operator, run_id, "sums is not complete.", "refused")

    endpoint.fault = None
    endpoint.reset()
    press(page, lambda: retry_of(page, operator, run_id), "/set_state")
    done = operator.wait(run_id, *ENDED)
    assert done["state_type"] == "COMPLETED", done["state"]["message"]
    again = [sent(body) for body in endpoint.requests]
    assert len(again) == len(set(again)) and not answered & set(again), "nothing is paid for twice"
    assert {r for r in again if json.loads(r)[0] == "small"} == refused
    num_lacked = len({json.loads(r)[2][-1]["content"] for r in refused})
    assert endpoint.by_model == {"small": len(refused), "big": 2 * num_lacked}, "with all references now"
    tokens = sum(len(json.loads(r)[2][-1]["content"]) // 4 + 25 for r in [*answered, *again])
    assert f"{tokens:,} tokens" in done["state"]["message"], (
        "of the whole night, also of what is not wanted any more"
    )
    assert_whole(root, endpoint, set())
    with connect(Store(str(root))) as catalog:
        counts = catalog.execute(
            "select stage, count(*), count(is_correct) from samples where run_id = ? group by all order by all",
            [done_run(root)],
        ).fetchall()
    assert counts == [("explore", 40, 40), ("synthesize", 20, 20)], "stored and graded"

    shown_run(page, operator, run_id, "sums is complete.", "mended")
    open_page_of_the_night(page, "sums is complete.")
    link = page.get_by_role("link", name="Open the report")
    link.wait_for()
    page.screenshot(path=pictures(operator) / "mended-artifact.png")
    with page.context.expect_page() as opened:
        link.click()
    report = opened.value
    report.get_by_role("heading", name="sums", exact=True).first.wait_for()
    report.screenshot(path=pictures(operator) / "mended-report.png")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/night-\d{4}-\d\d-\d\d\.html", report.url)
    leaderboard = report.get_by_role("table").first.inner_text()
    assert "40 / 40" in leaderboard and "20 / 20" in leaderboard


def done_run(root):
    """The one run of that root."""
    [manifest] = manifests(Store(str(root)))
    return manifest.run_id


def retry_of(page, operator, run_id):
    """The button that confirms Retry on a run's page."""
    page.goto(f"{operator.url}/runs/flow-run/{run_id}")
    page.get_by_role("button", name="Retry").first.click()
    page.screenshot(path=pictures(operator) / "retry.png")
    return page.get_by_role("dialog").get_by_role("button", name="Retry")


def shown_run(page, operator, run_id, sentence, name):
    """A run's page once it shows that sentence."""
    page.goto(f"{operator.url}/runs/flow-run/{run_id}")
    page.get_by_text(sentence).first.wait_for()
    page.screenshot(path=pictures(operator) / f"{name}.png")


def open_page_of_the_night(page, sentence):
    """From a run's page: each try left an artifact, in no certain order; what became of the night is below its name."""
    page.get_by_text("Artifacts", exact=True).first.click()
    page.locator(".artifact-card", has_text=sentence).locator(".artifact-card__title").first.click()


@in_browser
def test_custom_run_in_the_browser_makes_only_what_is_missing(operator, endpoint, page):
    failed_night(operator, endpoint)
    deployment = operator.deployment("synthesize")["id"]
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.goto(f"{operator.url}/deployments/deployment/{deployment}/run")
    fields = page.locator("textarea")
    fields.nth(1).wait_for()
    fields.first.fill(str(operator.folder / "sums.yaml"))
    fields.nth(1).fill(operator.mine["root"])
    page.screenshot(path=pictures(operator) / "form.png")
    press(page, lambda: page.get_by_role("button", name="Submit"), "/create_flow_run")
    [run] = operator.until(lambda: operator.runs(deployments={"id": {"any_": [deployment]}}))
    done = operator.wait(run["id"], "COMPLETED", "FAILED")
    assert done["state_type"] == "COMPLETED", done["state"]["message"]
    assert endpoint.by_model == {"big": 20}
    assert done["name"] == f"sums synthesize {datetime.now(UTC):%Y-%m-%d}"


def assert_whole(root, endpoint, before):
    """All traces there, none that was stored before was asked for again, nothing damaged."""
    assert len(stored_samples(root)) == 60
    assert not before & asked_for(endpoint)
    assert list(verify(Store(str(root)))) == []


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


def test_run_from_the_command_line_reports_to_it_without_being_told(operator, endpoint):
    [path] = [path for path in operator.folder.glob("*.yaml") if path.name != "night.yaml"]
    done = subprocess.run(
        [A2R, "run", path.name, "--root", "root"],
        cwd=operator.folder,
        env=operator.environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = re.search(rf"^Reporting to Prefect: {operator.url}/\S+/flow-run/(\S+)$", done.stderr, re.MULTILINE)
    assert told, done.stderr
    assert operator.run(told[1])["state_type"] == "COMPLETED"


def test_night_that_waits_for_its_batches_is_no_process_and_goes_on_by_itself(operator):
    with BatchEndpoint() as provider:
        provider.looks_until_end = 10**6
        folder = operator.folder / "batches"
        folder.mkdir()
        path = experiment_file(
            folder, provider, num_problems=3, batch=True, batch_wait_seconds=0, batch_again_seconds=2
        )
        entry = {"experiment": str(path), "overrides": ["synthesizer=null"]}
        run_id = operator.start("nightly", operator.mine | {"night": {"experiments": [entry]}})
        waiting = operator.until(lambda: _awaiting(operator.run(run_id)), every=0.25)
        assert waiting["state"]["message"].startswith("Nothing to press: it goes on by itself at ")
        assert "12 traces are missing" in waiting["state"]["message"]
        [batch] = provider.batches
        provider.end(batch)
        run = operator.wait(run_id, "COMPLETED", "FAILED")
    assert (run["state_type"], run["name"]) == ("COMPLETED", waiting["name"])
    assert run["expected_start_time"] == waiting["expected_start_time"], "a night keeps its date"
    assert len(provider.worked_on) == 12 and set(provider.worked_on.values()) == {1}
    assert "FAILED" not in [
        state["type"] for state in operator.get(f"/flow_run_states/?flow_run_id={run_id}")
    ]


def _awaiting(run):
    return run if run["state_name"] == "AwaitingRetry" else None


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
        finished = operator.until(lambda: _finished_by_schedule(operator, deployment["id"]), 300, every=1)
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
