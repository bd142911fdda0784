"""`a2r up` beside a person: Retry and Custom run in a real browser, the night's report, a command in a terminal, batches."""

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from endpoints.batches import BatchEndpoint
from endpoints.browser import chromium, needs_chromium
from endpoints.nights import assert_whole, experiment_file, told_of
from endpoints.operating import A2R

from warehouse.catalog import connect
from warehouse.manifest import manifests
from warehouse.store import Store

ENDED = ("COMPLETED", "FAILED", "CRASHED")


@pytest.fixture(scope="module")
def failed_night(seated, served, tmp_path_factory):
    """A night whose synthesizer's endpoint was down: its run, its root, and a copy of that from before any Retry."""
    served.fault = lambda _, body: (500, "down", {}) if body["model"] == "big" else None
    root, copy = (tmp_path_factory.mktemp("failed") / name for name in ("root", "copy"))
    run_id = seated.start("nightly", {"root": str(root)})
    failed = seated.wait(run_id, "FAILED")
    message = failed["state"]["message"]
    assert "synthesize 1/1: 20 of 20 traces failed (20 server_error)" in message, "which shards, and why"
    assert "20 of 20 synthesize" in message and "press Retry" in message, "what is missing, what to press"
    served.fault = None
    served.reset()
    shutil.copytree(root, copy)
    return run_id, root, copy


def pictures(operator):
    return Path(os.environ.get("A2R_SCREENSHOTS") or operator.folder)


@pytest.fixture(scope="module")
def database(server):
    """An empty one: that `a2r up` makes its own is seen in the nights."""
    return server.empty_database


@pytest.fixture(scope="module")
def browser():
    """One for all, with what it has fetched and compiled of the pages."""
    with chromium() as browser, browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        context.set_default_timeout(120_000)
        yield context


@pytest.fixture
def page(browser):
    with browser.new_page() as page:
        yield page


def press(page, button, path):
    """Press it, and again while the server says that its database is locked (503), as a person would."""
    for _ in range(30):
        with page.expect_response(lambda response: response.url.endswith(path)) as answered:
            button().click()
        if answered.value.status != 503:
            break
        page.wait_for_timeout(1000)
    assert answered.value.ok, answered.value.text()


# Over 20 s, as all below: `a2r up` is started for all of them, and each run is a process that the worker starts.
@needs_chromium
def test_retry_in_the_browser_sends_only_what_is_missing(failed_night, operator, endpoint, receiver, page):
    run_id, *_ = failed_night
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


@needs_chromium
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


@needs_chromium
def test_custom_run_in_the_browser_makes_only_what_is_missing(failed_night, operator, endpoint, page):
    *_, root = failed_night
    deployment = operator.deployment("synthesize")["id"]
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.goto(f"{operator.url}/deployments/deployment/{deployment}/run")
    fields = page.locator("textarea")
    fields.nth(1).wait_for()
    fields.first.fill(str(operator.folder / "sums.yaml"))
    fields.nth(1).fill(str(root))
    page.screenshot(path=pictures(operator) / "form.png")
    press(page, lambda: page.get_by_role("button", name="Submit"), "/create_flow_run")
    [run] = operator.until(lambda: operator.runs(deployments={"id": {"any_": [deployment]}}), every=0.25)
    done = operator.wait(run["id"], "COMPLETED", "FAILED")
    assert done["state_type"] == "COMPLETED", done["state"]["message"]
    assert endpoint.by_model == {"big": 20}
    assert done["name"] == f"sums synthesize {datetime.now(UTC):%Y-%m-%d}"


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
