"""What `a2r view` costs on a root of a million traces: to open, to filter, to read one problem, to hold. `make bench`.

The root is written through the store: 15,625 problems with 60 explorer and 4 synthesizer samples each, and a second night
with another synthesizer over the same explorer's traces. The page is driven in the system's Chromium. Exit 1 where a figure
is above its limit.
"""

import json
import random
import shutil
import sys
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


if __name__ == "__main__":
    build(Path(sys.argv[1]), int(sys.argv[2]))
