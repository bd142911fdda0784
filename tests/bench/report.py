"""What a report of 100,000 traces costs: to write, to hold, to open. `make bench` prints the figures.

Texts are drawn from a small vocabulary with a language's frequencies (gzip makes about a third of them, as of
real traces). The page is opened by the system's Chromium with its network shut; times are from
navigation to the first painted row of the problem table, to DOM ready, and to one problem's traces on a click.
"""

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from made_run import Made, finish_run

NUM_PROBLEMS, NUM_EXPLORED, NUM_SYNTHESIZED, CHARACTERS = 12_500, 6, 2, 2_000
A2R = str(Path(sys.executable).with_name("a2r"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def experiment(folder):
    """Two models behind an endpoint that is never called, on sums whose answer is 42."""
    rows = [
        {"id": f"p{i}", "question": f"What is {i} + {42 - i}?", "answer": "42"} for i in range(NUM_PROBLEMS)
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
            "sampling": {"n": NUM_SYNTHESIZED},
            "references": {"count": 4},
        },
        "grader": {"kind": "exact"},
    }


def texts():
    """Traces of about `CHARACTERS` characters, three in five right."""
    drawn = random.Random(0)
    words = ["".join(drawn.choices("etaoinshrdlucmfw", k=drawn.randint(2, 9))) for _ in range(4000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    pool = [" ".join(drawn.choices(words, weights, k=40)) for _ in range(20_000)]

    def made(_stage, _problem, _index):
        value = "42" if drawn.random() < 0.6 else str(drawn.randint(30, 60))
        reasoning = " ".join(drawn.choices(pool, k=CHARACTERS // 240))
        return Made(
            f"So $x = {value}$ and the answer is \\boxed{{{value}}}.",
            "correct" if value == "42" else "wrong",
            value,
            reasoning=reasoning,
        )

    return made


def opened(path):
    """Seconds to the table's first painted row, to DOM ready, and from a click to a problem's traces."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1400, "height": 1000}, offline=True).new_page()
        page.add_init_script(
            "new MutationObserver((_, watch) => { if (document.querySelector('#table tbody tr')) { watch.disconnect();"
            " requestAnimationFrame(() => requestAnimationFrame(() => { window.painted = performance.now(); })); } })"
            ".observe(document, { subtree: true, childList: true });"
        )
        page.goto(f"file://{path}", wait_until="domcontentloaded")
        page.wait_for_function("window.painted")
        painted, ready = page.evaluate(
            "[window.painted, performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd]"
        )
        page.wait_for_selector("html[data-charts=ready]")
        page.locator("[data-outcome=rescued]").click()
        began = time.monotonic()
        page.locator("#table tbody tr").first.click()
        page.wait_for_selector("#reader .sample")
        clicked = time.monotonic() - began
        browser.close()
    return painted / 1000, ready / 1000, clicked


def main():
    """Write the store, the report, open it; a line a figure."""
    with tempfile.TemporaryDirectory(prefix="a2r-report-") as name:
        folder = Path(name)
        store = finish_run(experiment(folder), folder / "root", "large", texts())
        path = folder / "report.html"
        done = subprocess.run(
            [A2R, "report", "--root", store.root, "--output", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"report of {NUM_PROBLEMS * (NUM_EXPLORED + NUM_SYNTHESIZED):,} traces, {path.stat().st_size / 1e6:.1f} MB"
        )
        print(f"  {done.stdout.strip().split(': ', 1)[1]}")
        print(
            f"  written with {used.ru_utime + used.ru_stime:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MB of memory"
        )
        if CHROMIUM is None:
            print("  no Chromium here: not opened")
            return
        for _ in range(3):
            painted, ready, clicked = opened(path)
            print(
                f"  opened: table painted {painted:.2f} s, DOM ready {ready:.2f} s; a problem on a click {clicked:.2f} s"
            )


if __name__ == "__main__":
    main()
