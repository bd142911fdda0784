"""`a2r view`: the report over a whole root, served: what it answers, in a browser, and while a run is under way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
import uvicorn
from endpoints.browser import chromium, needs_chromium
from made_run import Made, finish_run
from made_run import sums as sums_of
from made_sums import QUESTIONS, experiment, told, two_runs
from playwright.sync_api import expect

from tasks.analysis.report.served import application
from tasks.prompts.references import Reference
from tasks.prompts.render import load_prompt
from warehouse.catalog import connect
from warehouse.journal import Journal
from warehouse.loader import load
from warehouse.store import Store

STORED = Path(__file__).parents[1] / "data/stored"


class Served:
    """The application over a root, on a thread of this process."""

    def __init__(self, store):
        self.store = store
        config = uvicorn.Config(application(store), host="127.0.0.1", port=0, log_level="warning")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self):
        self.thread.start()
        until = time.monotonic() + 60
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.01)
        [listening] = self.server.servers[0].sockets
        self.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join()

    def ask(self, name, **values):
        answer = httpx.get(f"{self.address}/api/{name}", params=values, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def sums(tmp_path_factory):
    with Served(two_runs(tmp_path_factory.mktemp("view"))) as served:
        yield served


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged") / "root"
    shutil.copytree(STORED / "root", folder)
    store = Store(str(folder))
    load(store)
    with Served(store) as served:
        yield served


def ids(found):
    return [row["problem_id"] for row in found["rows"]]


BOTH = ("run-1", "run-2")


def test_overview_lists_runs_and_a_report_opens_by_name(sums):
    overview = httpx.get(sums.address)
    assert overview.text.index("run-2") < overview.text.index("run-1"), "the newest first"
    assert "sums" in overview.text and overview.headers["content-type"].startswith("text/html")
    assert "run-1" not in httpx.get(sums.address, params={"first": 50}).text
    page = httpx.get(f"{sums.address}/report", params={"run": "latest"})
    assert page.status_code == 200 and 'id="data"' in page.text
    lost = httpx.get(f"{sums.address}/report", params={"run": "nope"})
    assert lost.status_code == 404 and "There is no run nope" in lost.text


def test_overview_says_of_how_many_problems_a_number_is(tmp_path):
    """Of four problems, one has no verdict on one of its two samples, so that it has no vote."""
    content = sums_of(tmp_path, ["a", "b", "c", "d"], synthesizer=None)
    verdicts = {("s0", 1): "grader_error"}
    store = finish_run(
        content,
        tmp_path / "root",
        "run-1",
        lambda _, problem, index: Made("42", verdicts.get((problem.problem_id, index), "correct"), "42"),
    )
    with Served(store) as served:
        assert "3 of 4</td>" in httpx.get(served.address).text


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"words": "S3 what"}, ["s3"]),
        ({"outcome": "rescued"}, ["s0", "s5", "s9"]),
        ({"verdict": "explore truncated"}, ["s4"]),
        ({"key": "level", "value": "2"}, ["s2", "s5", "s8"]),
        ({"key": "level", "value": ">=1", "outcome": "rescued"}, ["s5"]),
        ({"key": "tags", "value": "tag 1"}, ["s1", "s3", "s5", "s7", "s9"]),
        ({"key": "level", "value": ""}, [f"s{i}" for i in range(10)]),
        ({"key": "nothing", "value": ""}, []),
        ({"words": "nothing like it"}, []),
        ({"sort": "problem", "is_down": "true"}, [f"s{i}" for i in reversed(range(10))]),
        ({"sort": "explorer", "is_down": "true", "count": 2}, ["s2", "s7"]),
        ({"first": 8}, ["s8", "s9"]),
    ],
)
def test_list_is_filtered_sorted_and_paged(sums, filters, expected):
    assert ids(sums.ask("problems", run="run-1", **filters)) == expected


def test_list_counts_outcomes_under_the_other_filters(sums):
    found = sums.ask("problems", run="run-1", outcome="harmed", key="level", value="0")
    assert found["outcomes"] == {
        "": 4,
        "rescued": 2,
        "harmed": 1,
        "missed-any": 0,
        "missed": 1,
        "kept": 0,
        "unjudged": 0,
    }
    assert (found["total"], ids(found)) == (1, ["s6"])
    none = sums.ask("problems", run="run-1", outcome="unjudged", words="s3")
    assert (none["total"], none["outcomes"][""]) == (0, 1)
    assert sums.ask("values", run="run-1", key="tags") == ["sum", "tag 0", "tag 1"]


def test_differences_are_those_of_the_catalog(sums):
    found = sums.ask("differences", run=BOTH, a="run-1", b="run-2", metric="a2r")
    with connect(sums.store) as catalog:
        query = "select problem_id, difference from problem_changes(['run-1'], 'run-2') where metric = 'a2r'"
        expected = dict(catalog.execute(query).fetchall())
    assert {row["problem_id"]: row["difference"] for row in found["rows"]} == expected
    assert found["kinds"] == {"": 10, "better": 1, "worse": 1, "same": 8, "gained": 1, "lost": 1}
    for kind, name in (("gained", "s1"), ("lost", "s2")):
        assert ids(sums.ask("differences", run=BOTH, a="run-1", b="run-2", metric="a2r", kind=kind)) == [name]
    assert sums.ask("differences", run=BOTH, a="run-1", b="run-2", metric="mean", kind="better")["rows"] == []


def whole(messages, entry, sample):
    """A prompt's messages with the texts that its pieces point to."""

    def text(piece):
        if isinstance(piece, str):
            return piece
        if "question" in piece:
            return entry["question"]
        reference = sample["shown"][piece["reference"]]
        return reference["text"] or entry["traces"][reference["of"][0]]["answer"].strip()

    return ["".join(map(text, message["pieces"])) for message in messages]


def test_prompt_is_what_was_sent(sums):
    row = sums.ask("find", run="run-1", only="run-1", problem="s3")
    entry = sums.ask("texts", run="run-1", digest=row["problem_digest"])
    samples = entry["runs"]["run-1"]
    explored = next(s for s in samples if s["stage"] == "explore")
    synthesized = next(s for s in samples if s["stage"] == "synthesize")
    sent = entry["prompts"][explored["prompt"]]["messages"]
    assert whole(sent, entry, explored) == [load_prompt("explore").render(QUESTIONS[3])[0].content]
    given = [entry["traces"][r["of"][0]]["answer"].strip() for r in synthesized["shown"]]
    references = tuple(Reference(place, text, 1) for place, text in enumerate(given, start=1))
    sent = entry["prompts"][synthesized["prompt"]]["messages"]
    assert len(given) == 4
    assert whole(sent, entry, synthesized) == [
        load_prompt("synthesize").render(QUESTIONS[3], references)[0].content
    ]
    assert json.loads(entry["metadata"]) == {"level": 0, "tags": ["sum", "tag 1"]}


def test_record_is_the_stored_row(sums):
    row = sums.ask("find", run="run-1", only="run-1", problem="s3")
    entry = sums.ask("texts", run="run-1", digest=row["problem_digest"])
    shown = {trace["trace_id"]: trace for trace in entry["traces"]}
    parts = Path(sums.store.root).glob("traces/stage=explore/*/*.parquet")
    rows = [row for part in parts for row in pq.read_table(part, partitioning=None).to_pylist()]
    stored = [row for row in rows if row["problem_id"] == "s3"]
    assert len(stored) == 4
    for record in stored:
        trace = shown[record["trace_id"]]
        started = record.pop("started_at").isoformat()
        assert record | {"started_at": started.replace("+00:00", "Z")} == {
            name: value for name, value in trace.items() if name not in {"stage", "recipe", "failures"}
        } | {"started_at": trace["started_at"].replace("+00:00", "Z")}


def test_same_wording_is_found_in_every_run_and_under_every_id(sums, judged):
    row = sums.ask("find", run="run-1", only="run-1", problem="s1")
    others = sums.ask("elsewhere", digest=row["problem_digest"])
    assert [(p["run_id"], p["num_synthesized_correct"], p["outcome"]) for p in others] == [
        ("run-1", 0, "harmed"),
        ("run-2", 2, "kept"),
    ]
    for name in ("s0", "again"):
        row = judged.ask("find", run="sums", only=golden("sums"), problem=name)
        entry = judged.ask("texts", run="sums", digest=row["problem_digest"])
        assert len(entry["traces"]) == 6 and all(trace["answer"] for trace in entry["traces"])


def golden(name):
    return json.loads((STORED / f"golden/{name}.json").read_text())["run_id"]


def test_judge_says_what_it_was_asked_and_what_it_replied(judged):
    row = judged.ask("find", run="judged", only=golden("judged"), problem="s10")
    entry = judged.ask("texts", run="judged", digest=row["problem_digest"])
    for sample in entry["runs"][golden("judged")]:
        reply = entry["traces"][sample["judged"]["trace"]]
        assert reply["stage"] == "judge"
        assert reply["answer"] == f"Verdict: {'correct' if sample['verdict'] == 'correct' else 'incorrect'}"
        [asked] = whole(entry["prompts"][sample["judged"]["prompt"]]["messages"], entry, sample)
        values = {"question": "What is 10 plus 71 ?", "gold": "81", "answer": sample["extracted"]}
        assert asked == load_prompt("judge").filled(values)[0].content
    unjudged = judged.ask("texts", run="sums", digest=row["problem_digest"])
    assert all(sample["judged"] is None for sample in unjudged["runs"][golden("sums")])


def test_refused_samples_tell_why(judged):
    [row, *_] = judged.ask("problems", run="refused", verdict="explore infra_error")["rows"]
    entry = judged.ask("texts", run="refused", digest=row["problem_digest"])
    failed = [t for t in entry["traces"] if t["status"] == "error"]
    assert failed and all(t["error_code"] and t["error_message"] and t["num_tries"] for t in failed)


def row_of(number, problem, status="ok", **more):
    error = {"error_code": "timeout", "error_message": "silent for 60 s"} if status == "error" else {}
    return {
        "trace_id": f"{number:032x}",
        "problem_id": problem["problem_id"],
        "problem_digest": problem["problem_digest"],
        "sample_index": number % 2,
        "status": status,
        "answer": None if error else 'so \\boxed{1}, "problem_id":"s9"',
        "started_at": 1_700_000_000_000_000 + number,
        "num_tries": 1 + number,
        "reference_ids": [],
        **error,
        **more,
    }


def test_run_under_way_is_there_from_its_first_answer_on(sums):
    problem = sums.ask("find", run="run-1", only="run-1", problem="s2")
    [folder] = Path(sums.store.root).glob("traces/stage=explore/recipe=*")
    recipe = sums.store.read_recipe("explore", folder.name.removeprefix("recipe="))
    asked = {"stage": "explore", "recipe": recipe.key, "problem": "s2"}
    assert sums.ask("stages") == []
    before = sums.ask("arrived", **asked)["traces"]
    journal = Journal(sums.store, recipe)
    try:
        journal.append(row_of(1, problem, "error"))
        [stage] = sums.ask("stages")
        assert (stage["model"], stage["is_alive"], stage["latest"]) == ("small", True, ["s2"])
        assert (stage["num_arrived"], stage["num_failures"], stage["num_stored"]) == (1, 1, 41)
        journal.append(row_of(1, problem))
        journal.append(row_of(2, problem | {"problem_id": "s9"}))
        with journal.path.open("ab") as file:
            file.write(b'{"trace_id": "cut')
            file.flush()
            [stage] = sums.ask("stages")
            assert (stage["num_arrived"], stage["latest"]) == (3, ["s9", "s2"])
        entry = sums.ask("arrived", **asked)
        assert len(entry["traces"]) == len(before) + 1 == 5
        [arrived] = [trace for trace in entry["traces"] if trace["trace_id"] == f"{1:032x}"]
        assert arrived["status"] == "ok"
        assert [(t["error_code"], t["num_tries"]) for t in arrived["failures"]] == [("timeout", 2)]
        assert entry["question"] == QUESTIONS[2] and entry["runs"]["under way"][0]["verdict"] is None
    finally:
        journal.close()
        journal.path.unlink()
    assert sums.ask("stages") == []


def test_catalog_that_is_replaced_is_seen_and_a_missing_one_told(tmp_path):
    store = Store(str(tmp_path / "root"))
    store.open_for_writing()
    with Served(store) as served:
        assert "has no catalog yet" in httpx.get(served.address).text
        assert served.ask("stages") == []
        data = experiment(tmp_path, QUESTIONS[:2]) | {"synthesizer": None}
        finish_run(data, tmp_path / "root", "run-1", told)
        assert [p["problem_id"] for p in served.ask("problems", run="latest")["rows"]] == ["s0", "s1"]
        finish_run(data | {"name": "other"}, tmp_path / "root", "run-2", told)
        assert "run-2" in httpx.get(served.address).text
        assert served.ask("problems", run="latest")["rows"][0]["run_id"] == "run-2"


def test_nothing_is_written_and_nobody_else_is_answered(sums):
    def files():
        return {path: path.stat().st_mtime_ns for path in Path(sums.store.root).rglob("*")}

    before = files()
    for path in ("", "report?run=run-1", "api/charts?run=run-1", "api/history?run=run-2", "api/stages"):
        answer = httpx.get(f"{sums.address}/{path}", timeout=60)
        assert answer.status_code == 200
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert files() == before
    assert httpx.get(sums.address, headers={"Host": "evil.example"}).status_code == 400
    assert httpx.get(sums.address, headers={"Host": "localhost:1"}).status_code == 200
    assert httpx.post(f"{sums.address}/report?run=run-1").status_code == 405
    for path in ("/assets/page.html.jinja", "/assets/..%2fpage.py", "/catalog.duckdb", "/api/_listed"):
        assert httpx.get(sums.address + path).status_code == 404, path
    assert "give a number" in httpx.get(f"{sums.address}/api/problems?run=run-1&first=-1").json()["error"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser):
    """A page at an address; afterwards nothing has complained and nothing of a model's text has run."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(120_000)
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    def at(address):
        page.goto(address)
        return page

    yield at
    assert said == []
    assert page.evaluate("window.hacked") is None
    context.close()


@needs_chromium
def test_reader_in_a_browser_shows_what_happened(sums, opened):
    page = opened(f"{sums.address}/")
    page.locator("input[name=run]").nth(1).check()
    page.locator("input[name=run]").nth(0).check()
    page.get_by_role("button", name="Open the chosen runs together").click()
    page.locator("#pairs tbody tr").first.wait_for()
    page.locator("[data-kind=gained]").click()
    expect(page.locator("#pairs tbody tr")).to_have_count(1)
    assert page.locator("#pairs td").first.inner_text() == "s1"
    page.locator("#key").select_option("level")
    page.locator("#value").fill("2")
    expect(page.locator("#page")).to_have_text("1–6 of 6")
    page.locator("#search").fill("What is 8")
    page.keyboard.press("Enter")
    page.locator("#reader h1", has_text="s8").wait_for()
    synthesis = page.locator("[data-sample=synthesize-0]")
    synthesis.get_by_text("Prompt as sent").click()
    synthesis.locator(".message .piece").nth(4).wait_for()
    assert synthesis.locator(".message .piece").first.inner_text() == QUESTIONS[8]
    synthesis.get_by_text("Record", exact=True).click()
    assert json.loads(synthesis.locator("pre.record").inner_text())["num_tries"] == 1
    page.get_by_text("In other runs (1)").click()
    page.locator(".runs a").click()
    page.wait_for_url("**#run-2/s8")
    page.goto(f"{sums.address}/report?run=run-1#run-1/s4")
    page.locator(".tries").first.click()
    page.locator(".tries").first.get_by_text("context_overflow").first.wait_for()


@needs_chromium
def test_hostile_text_stays_text_when_served(sums, opened):
    page = opened(f"{sums.address}/report?run=run-1#run-1/s0")
    page.wait_for_selector("#reader .sample")
    page.evaluate("document.querySelectorAll('#reader details').forEach((d) => { d.open = true; })")
    expect(page.locator("details[open] > :is(.lazy, .reasoning):empty")).to_have_count(0)
    shown = page.locator("#reader").inner_text()
    assert all(part in shown for part in ("</script><img src=x onerror", "<svg onload", "{{ 7 * 7 }}"))
    assert page.locator("#reader :is(img, script, svg, a[href^=javascript], [onclick])").count() == 0


@needs_chromium
@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 400)])
def test_every_page_fits_its_window(sums, judged, browser, scheme, width, tmp_path):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    pictures = Path(os.environ.get("A2R_SCREENSHOTS") or tmp_path)
    [folder] = Path(sums.store.root).glob("traces/stage=explore/recipe=*")
    recipe = sums.store.read_recipe("explore", folder.name.removeprefix("recipe="))
    journal = Journal(sums.store, recipe)
    problem = sums.ask("find", run="run-1", only="run-1", problem="s2")
    journal.append(row_of(1, problem, "error"))
    try:
        for name, address, there in (
            ("overview", f"{sums.address}/", "html[data-charts=ready] [data-recipe]"),
            ("both", f"{sums.address}/report?run=run-1&run=run-2", "html[data-charts=ready]"),
            ("reader", f"{sums.address}/report?run=run-1#run-1/s4", "#reader .sample"),
            ("judged", f"{judged.address}/report?run=judged#{golden('judged')}/s10", "#reader .sample"),
            ("underway", f"{sums.address}/underway?stage=explore&recipe={recipe.key}#s2", "#reader .sample"),
            ("refused", f"{sums.address}/report?run=nope", ".warning"),
        ):
            page.goto(address)
            page.wait_for_selector(there)
            page.evaluate("document.querySelectorAll('#reader details').forEach((d) => { d.open = true; })")
            expect(page.locator("details[open] > .lazy:empty")).to_have_count(0)
            page.screenshot(path=pictures / f"view-{name}-{scheme}-{width}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    finally:
        journal.close()
        journal.path.unlink()
        page.close()


COMMAND = """
import json, sys
from flows.cli import main
try:
    main()
finally:
    print(json.dumps([name for name in ("prefect", "plotly", "pandas") if name in sys.modules]), flush=True)
"""


def test_command_serves_until_interrupted_and_never_imports_prefect(sums, tmp_path):
    command = [sys.executable, "-c", COMMAND, "view", "--root", sums.store.root, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as served:
        address = served.stdout.readline().split()[0]
        assert httpx.get(f"{address}/report?run=latest", timeout=60).status_code == 200
        port = address.rsplit(":", 1)[1]
        second = subprocess.run([*command[:-1], port], capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert f"error: Port {port} of 127.0.0.1 cannot be listened to" in second.stderr
        served.send_signal(signal.SIGINT)
        out, err = served.communicate(timeout=60)
    assert (served.returncode, err, json.loads(out.splitlines()[-1])) == (0, "", [])
    lost = [*command[:4], "--root", str(tmp_path / "nothing")]
    refused = subprocess.run(lost, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "does not exist; name one with --root." in refused.stderr
