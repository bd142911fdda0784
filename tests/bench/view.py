"""What `a2r view` costs on a root of a million traces: to open, to filter, to read one problem, to hold. `make bench`.

The root is written through the store: 15,625 problems with 60 explorer and 4 synthesizer samples each, and a second night
of a tenth of the problems with another synthesizer over the same explorer's traces. The page is driven in the system's
Chromium. Exit 1 where a figure is above its limit.
"""

import argparse
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from made_run import Made, finish_run

NUM_PROBLEMS, NUM_EXPLORED, NUM_SYNTHESIZED, CHARACTERS = 15_625, 60, 4, 1_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def experiment(folder, num_problems, seed):
    """Two models behind an endpoint that is never called, on sums whose answer is 42, of ten topics and five levels."""
    rows = [
        {
            "id": f"p{i}",
            "question": f"What is {i} + {42 - i}?",
            "answer": "42",
            "topic": f"topic {i % 10}",
            "level": 1 + i % 5,
        }
        for i in range(num_problems)
    ]
    path = folder / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    engine = {"kind": "openai", "base_url": "http://127.0.0.1:9"}
    return {
        "name": "large",
        "benchmark": {"source": "file", "path": str(path), "id": "id"},
        "explorer": {
            "model": {"id": "small", "params": 4e9},
            "engine": engine,
            "sampling": {"n": NUM_EXPLORED},
        },
        "synthesizer": {
            "model": {"id": "big", "params": 8e9},
            "engine": engine,
            "sampling": {"n": NUM_SYNTHESIZED, "seed": seed},
            "references": {"count": 4},
        },
        "grader": {"kind": "exact"},
    }


def texts():
    """Traces of about `CHARACTERS` characters; how hard a problem is differs."""
    drawn = random.Random(0)
    words = ["".join(drawn.choices("etaoinshrdlucmfw", k=drawn.randint(2, 9))) for _ in range(4000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    pool = [" ".join(drawn.choices(words, weights, k=40)) for _ in range(20_000)]

    def made(_stage, problem, _index):
        easy = (int(problem.problem_digest[:4], 16) / 65536) ** 0.7
        value = "42" if drawn.random() < easy else str(drawn.randint(30, 60))
        return Made(
            f"So $x = {value}$ and the answer is \\boxed{{{value}}}.",
            "correct" if value == "42" else "wrong",
            value,
            reasoning=" ".join(drawn.choices(pool, k=CHARACTERS // 240)),
        )

    return made


def build(folder, num_problems):
    """The root, written through the store's own interface and loaded: a large night, then a small one."""
    root, made = folder / "root", texts()
    for night, size in ((1, num_problems), (2, num_problems // 10)):
        began = time.monotonic()
        run_id = f"2026110{night}T020000-large-0000000{night}"
        finish_run(experiment(folder, size, night), root, run_id, made)
        print(f"  night {night} written and loaded in {time.monotonic() - began:.0f} s", flush=True)
    return str(root)


LIMITS = {"first page": 1.5, "report of a run": 1.5, "filter": 0.5, "one problem": 0.2, "memory": 500.0}
"""Seconds, and MB of resident memory at its peak."""
FILTERS = (
    ("#key", "topic", "#value", "topic 3"),
    ("#verdict", "explore wrong", "#value", "topic 7"),
    ("#key", "level", "#value", ">=4"),
    ("#key", "", "#search", "What is 777"),
)


class Watched:
    """A page in Chromium, and how long it takes until it shows what was asked for."""

    def __init__(self, page):
        self.page = page

    def opened(self, address, there):
        """Seconds from navigation until an element is painted."""
        self.page.goto("about:blank")
        began = time.monotonic()
        self.page.goto(address, wait_until="commit")
        self.page.locator(there).first.wait_for()
        return time.monotonic() - began

    def filtered(self, field, text):
        """Seconds from the last key until the list is another one."""
        self.page.evaluate(
            "() => { window.drawn = new Promise((done) => { const watch = new MutationObserver(() => { watch.disconnect();"
            " requestAnimationFrame(() => done(performance.now())); });"
            " watch.observe(document.querySelector('#table tbody'), { childList: true }); });"
            " window.typed = performance.now(); }"
        )
        self.page.locator(field).fill(text)
        return self.page.evaluate("async () => (await window.drawn) - window.typed") / 1000

    def read(self, place):
        """Seconds from a click on a row until all its traces are there."""
        row = self.page.locator("#table tbody tr").nth(place)
        self.page.evaluate(
            "() => { window.whole = new Promise((done) => { const watch = new MutationObserver(() => {"
            " if (document.querySelectorAll('#reader .sample').length === 64) { watch.disconnect();"
            " requestAnimationFrame(() => done(performance.now())); } });"
            " watch.observe(document.getElementById('reader'), { childList: true });"
            " document.addEventListener('click', () => { window.clicked = performance.now(); },"
            " { capture: true, once: true }); }); }"
        )
        row.click()
        seconds = self.page.evaluate("async () => (await window.whole) - window.clicked") / 1000
        self.page.keyboard.press("Escape")
        self.page.locator("#overview").wait_for()
        return seconds


def measured(address):
    """Every figure in seconds: the worst of some tries, and the median of the problems."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        watched = Watched(page)
        yield "first page", watched.opened(address, "#runs tbody tr")
        report = f"{address}/report?run=20261101T020000-large-00000001"
        yield "report of a run", watched.opened(report, "#table tbody tr")
        page.wait_for_selector("html[data-charts=ready]")
        seconds = []
        for select, option, field, text in FILTERS:
            page.locator(select).select_option(option)
            seconds.append(watched.filtered(field, text))
        yield "filter", max(seconds)
        page.locator("#search").fill("")
        page.locator("#verdict").select_option("")
        page.wait_for_timeout(1000)
        yield "one problem", statistics.median(watched.read(place) for place in range(0, 45, 5))
        browser.close()


def peak_of(process):
    """The largest resident memory a process had, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def told(figures):
    """Print each figure with its limit; the names of those above it."""
    for what, figure in figures:
        unit = "MB" if what == "memory" else "s"
        print(f"  {what:<18} {figure:8.3f} {unit}, at most {LIMITS[what]:g} {unit}", flush=True)
        if figure > LIMITS[what]:
            yield what


def main():
    """Write the root, serve it, drive the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=NUM_PROBLEMS)
    parser.add_argument("--root", help="a root that an earlier call has kept, instead of a new one")
    parser.add_argument("--keep", help="write the root into this folder and leave it there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="a2r-view-") as name:
        folder = Path(options.keep or name)
        folder.mkdir(exist_ok=True)
        root = options.root or build(folder, options.problems)
        print(f"a2r view over {options.problems * (NUM_EXPLORED + NUM_SYNTHESIZED):,} traces")
        command = [str(Path(sys.executable).with_name("a2r")), "view", "--root", root, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
            try:
                address = served.stdout.readline().split()[0]
                slow = list(told(measured(address))) if CHROMIUM else []
                slow += told([("memory", peak_of(served))])
            finally:
                served.terminate()
    if slow:
        raise SystemExit(f"above its limit: {', '.join(slow)}")


if __name__ == "__main__":
    main()
