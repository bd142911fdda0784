"""Two runs at once on one root: requests divided by those needed, and the time of both against one alone.

    python tests/bench/two_runs.py

Each is a process with its own limit of requests in flight, so that two have twice one's throughput at the endpoint.
"""

import json
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from endpoints.scripted import ScriptedEndpoint
from test_two_runs import RUN

NUM_PROBLEMS, SAMPLES, SYNTHESES = 60, 4, 2
CONCURRENCY = 8
ANSWER_SECONDS = 0.5


def experiment(endpoint: ScriptedEndpoint, benchmark: Path) -> str:
    engine = {
        "kind": "openai",
        "base_url": endpoint.base_url,
        "concurrency": CONCURRENCY,
        "samples_per_request": 1,
    }
    return json.dumps(
        {
            "name": "two",
            "benchmark": {"source": "file", "path": str(benchmark), "question": "problem", "id": "id"},
            "explorer": {
                "model": {"id": "small"},
                "engine": engine,
                "sampling": {"n": SAMPLES, "max_tokens": 64},
            },
            "synthesizer": {
                "model": {"id": "big"},
                "engine": engine,
                "references": {"count": SAMPLES},
                "sampling": {"n": SYNTHESES, "max_tokens": 64},
            },
        }
    )


def seconds(num_runs: int) -> tuple[float, int]:
    """Wall time of so many runs started together on an empty root, and the requests they sent."""
    with ScriptedEndpoint() as endpoint, tempfile.TemporaryDirectory() as folder:
        endpoint.latency = ANSWER_SECONDS
        benchmark = Path(folder) / "sums.jsonl"
        rows = [
            {"id": f"s{i}", "problem": f"What is {i} plus {i} ?", "answer": str(2 * i)}
            for i in range(NUM_PROBLEMS)
        ]
        benchmark.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [
            sys.executable,
            "-c",
            textwrap.dedent(RUN),
            f"{folder}/root",
            experiment(endpoint, benchmark),
        ]
        runs = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(num_runs)
        ]
        for run in runs:
            run.stdout.readline()
        began = time.monotonic()
        for run in runs:
            run.stdin.write("\n")
            run.stdin.flush()
        for run in runs:
            run.communicate()
        return time.monotonic() - began, endpoint.num_samples


def main() -> None:
    needed = NUM_PROBLEMS * (SAMPLES + SYNTHESES)
    (alone, sent_alone), (both, sent) = seconds(1), seconds(2)
    print(f"alone: {alone:.1f} s, requests ÷ needed {sent_alone / needed:.3f}")
    print(f"two:   {both:.1f} s ({both / alone:.2f} of one), requests ÷ needed {sent / needed:.3f}")


if __name__ == "__main__":
    main()
