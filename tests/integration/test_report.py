"""The report in a real browser without a network: tables, filters, trace reader, maths, hostile text."""

import json
import os
from pathlib import Path

import pytest
from endpoints.browser import chromium, needs_chromium
from made_run import Made, finish_run
from made_sums import QUESTIONS, experiment, told, two_runs

from configs.roles import References
from configs.schema import UserError
from tasks.analysis.report.chunks import TextLimits
from tasks.analysis.report.data import as_json, findings
from tasks.analysis.report.entries import shown_with_sources
from tasks.analysis.report.page import write_report
from tasks.prompts.references import Candidate


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return finish_run(experiment(folder, QUESTIONS), folder / "root", "run-1", told)


@pytest.fixture(scope="module")
def report(store, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report(store, [], path)


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(report, browser):
    """The page with its network shut, at a hash; afterwards nothing was asked for and nothing complained."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, offline=True)
    page = context.new_page()
    page.set_default_timeout(120_000)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    def at(place=""):
        page.goto(f"file://{report.path}{place}")
        page.wait_for_selector("html[data-charts=ready]")
        return page

    yield at
    assert {url.split("#")[0] for url in asked} == {f"file://{report.path}"}
    assert said == []
    assert page.evaluate("window.hacked") is None
    context.close()


def problems_of(page):
    return page.locator("#table tbody td:first-child").all_inner_texts()


@needs_chromium
def test_tables_and_charts_are_drawn(opened):
    page = opened()
    board = page.locator("table.board").first.inner_text()
    assert "39 / 40" in board, "attempts of wanted: one sample is an error and no wrong answer"
    assert page.locator(".chart .main-svg").count() >= 4
    assert page.locator(".chart.flow .sankey-node").count() >= 4
    assert problems_of(page) == [f"s{i}" for i in range(10)]


@needs_chromium
def test_filters_leave_what_they_say(opened):
    page = opened()
    page.locator("[data-outcome=rescued]").click()
    assert problems_of(page) == ["s0", "s5", "s9"]
    page.locator("[data-outcome='']").click()
    page.locator("#verdict").select_option("explore truncated")
    assert problems_of(page) == ["s4"]
    page.locator("#verdict").select_option("")
    page.keyboard.press("/")
    page.keyboard.type("s3")
    assert problems_of(page) == ["s3"]
    page.locator("#search").fill("3 + 39")
    assert problems_of(page) == ["s3"]
    page.locator("#search").fill("nothing like it")
    assert page.locator("#table .none").is_visible()
    page.locator("#search").fill("")
    page.get_by_role("button", name="problem").click()
    page.get_by_role("button", name="problem").click()
    assert problems_of(page) == [f"s{i}" for i in reversed(range(10))]


@needs_chromium
def test_enter_in_the_search_opens_the_first_problem_found(opened):
    page = opened()
    page.keyboard.press("/")
    page.keyboard.type("nothing like it")
    page.keyboard.press("Enter")
    assert page.locator("#table .none").is_visible()
    page.locator("#search").fill("s3")
    page.keyboard.press("Enter")
    page.locator("#reader h1", has_text="s3").wait_for()


@needs_chromium
def test_reader_shows_every_text_and_what_the_synthesizer_saw(opened):
    page = opened()
    page.locator("[data-outcome=rescued]").click()
    page.locator("#table tbody tr").first.click()
    page.wait_for_selector("#reader .sample")
    assert page.evaluate("location.hash") == "#run-1/s0"
    assert page.locator("[data-sample^=explore]").count() == 4
    synthesis = page.locator("[data-sample=synthesize-1]")
    assert "thinking synthesize 1" in synthesis.inner_text()
    assert "seed 7" in synthesis.inner_text()
    synthesis.get_by_text("What it was shown").click()
    order = [int(text.split()[1]) for text in synthesis.locator(".from").all_inner_texts()]
    assert sorted(order) == [0, 1, 2, 3] and order == shown_order(order)
    page.keyboard.press("j")
    page.wait_for_function("location.hash === '#run-1/s5'")
    page.locator("#reader h1", has_text="s5").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector("#overview:not([hidden])")
    assert problems_of(page) == ["s0", "s5", "s9"], "the filter is still there"


def shown_order(order):
    """The order the policy `shuffled` gives four samples of s0."""
    import random

    from warehouse.identity import problem_digest

    places = [0, 1, 2, 3]
    random.Random(f"references/{problem_digest(QUESTIONS[0])}").shuffle(places)
    return places


@needs_chromium
def test_deep_link_opens_the_problem_with_its_maths(opened):
    page = opened("#run-1/s4")
    page.get_by_text("too long", exact=True).wait_for()
    page.wait_for_selector("#reader .sample > .prose math mfrac")
    assert page.locator("#reader .head math").count() == 1, "a price is no formula"
    assert "pay \\$5 or $7" in page.locator("#reader .head .prose").inner_text()


@needs_chromium
def test_hostile_text_stays_text(opened):
    page = opened("#run-1/s0")
    page.wait_for_selector("#reader .sample")
    page.evaluate("document.querySelectorAll('#reader details').forEach((d) => { d.open = true; })")
    page.wait_for_function("document.querySelectorAll('.reasoning:empty').length === 0")
    shown = page.locator("#reader").inner_text()
    assert all(part in shown for part in ("</script><img src=x onerror", "<svg onload", "{{ 7 * 7 }}"))
    assert "\\href{javascript:window.hacked=3}{click}" in shown, "a refused formula stays as its text"
    assert (
        page.locator("#reader :is(img, script, svg, a[href^=javascript], [onclick], [onerror])").count() == 0
    )


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_page_fits_its_window(browser, report, scheme, width, tmp_path):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    pictures = Path(os.environ.get("A2R_SCREENSHOTS") or tmp_path)
    for name, place in (("overview", ""), ("reader", "#run-1/s0")):
        page.goto("about:blank")
        page.goto(f"file://{report.path}{place}")
        page.wait_for_selector("html[data-charts=ready]")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=pictures / f"report-{name}-{scheme}-{width}.png", full_page=True)
    page.close()


@needs_chromium
def test_file_has_metadata_prompts_differences_and_history(browser, tmp_path):
    info = write_report(two_runs(tmp_path), ["run-1", "run-2"], tmp_path / "both.html")
    page = browser.new_context(viewport={"width": 1400, "height": 1000}, offline=True).new_page()
    page.set_default_timeout(120_000)
    page.goto(f"file://{info.path}")
    page.wait_for_selector("html[data-charts=ready]")
    assert page.locator(".chart.history .main-svg").count() >= 1
    page.locator("[data-kind=lost]").click()
    assert page.locator("#pairs tbody td:first-child").all_inner_texts() == ["s2"]
    assert "a change of" in page.locator("#change").inner_text()
    page.locator("#run").select_option("run-2")
    page.locator("#key").select_option("level")
    page.locator("#value").fill(">=2")
    assert problems_of(page) == ["s2", "s5", "s8"]
    page.locator("#key").select_option("tags")
    page.locator("#value").fill("tag 0")
    assert problems_of(page) == ["s0", "s2", "s4", "s6", "s8"]
    page.locator("#table tbody tr").nth(1).click()
    sample = page.locator("[data-sample=synthesize-1]")
    sample.get_by_text("Prompt as sent").click()
    sample.locator(".message").wait_for()
    sent = sample.locator(".message").inner_text()
    assert sent.startswith("You are given a problem and 4 reference") and QUESTIONS[2] in sent
    assert sent.count("so \\boxed{42}") == 4
    sample.get_by_text("Record", exact=True).click()
    assert json.loads(sample.locator("pre.record").inner_text())["answer"] == "so \\boxed{41}"
    page.get_by_text("In other runs (1)").click()
    page.locator(".runs a").click()
    page.wait_for_function("location.hash === '#run-1/s2'")
    page.close()


def test_texts_are_bounded_and_counted(store, tmp_path):
    info = write_report(store, [], tmp_path / "small.html", TextLimits(total=0, each=30))
    assert (info.num_problems, info.num_problems_with_texts) == (10, 1)
    assert info.num_texts_cut > 0
    whole = write_report(store, [], tmp_path / "whole.html")
    assert (whole.num_problems_with_texts, whole.num_traces_with_texts, whole.num_texts_cut) == (10, 60, 0)


def test_data_says_the_same(store):
    data = json.loads(as_json(findings(store, [])))
    assert list(data) == [
        *(
            "runs",
            "leaderboard",
            "metrics",
            "ways",
            "paths",
            "curves",
            "pairs",
            "flows",
            "agreement",
            "contributions",
            "problems",
            "history",
        ),
    ], "keys that scripts read"
    assert [p["outcome"] for p in data["problems"]] == [
        *("rescued", "harmed", "kept", "missed", None),
        *("rescued", "harmed", "kept", "missed", "rescued"),
    ]
    board = {row["stage"]: row for row in data["leaderboard"]}
    assert (board["explore"]["num_attempts"], board["explore"]["num_errors"]) == (39, 1)
    assert {row["metric"] for row in data["metrics"]} >= {"mean@1", "cons@4", "pass@4", "a2r"}


def test_existing_report_stays_when_a_new_one_cannot_be_made(store, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(UserError, match="There is no run nope"):
        write_report(store, ["nope"], path)
    assert path.read_text() == "old"
    with pytest.raises(UserError, match="--output"):
        write_report(store, [], tmp_path / "missing" / "report.html")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_run_without_synthesizer_and_without_verdicts_is_reported(tmp_path):
    alone = experiment(tmp_path, QUESTIONS) | {"synthesizer": None, "name": "alone"}
    store = finish_run(alone, tmp_path / "root", "bare", lambda *_: Made("no verdict", None))
    info = write_report(store, [], tmp_path / "report.html")
    assert info.num_traces_with_texts == 40
    assert "–" in (tmp_path / "report.html").read_text()


def candidates(*texts):
    return [Candidate(f"t{i}", i, "ok", answer=text) for i, text in enumerate(texts)]


def test_shown_references_know_their_samples():
    merged = shown_with_sources(
        candidates("same", "other", "same"), References(duplicates="merge", max_tokens=1)
    )
    assert [([c.sample_index for c in group], text) for group, text in merged] == [
        ([0, 2], "same"),
        ([1], "ther"),
    ]
    dropped = shown_with_sources(candidates("a" * 8, "b" * 8), References(total_max_tokens=3))
    assert [([c.sample_index for c in group], text) for group, text in dropped] == [([0], "a" * 8)]
