"""Made `tests/data/stored`: a small root whose meaning no later version may change.

    python tests/data/make_root.py /srv/a2r

It was made by version 0.1.0 before any manifest had a version, and is not made again: newer code has to
read it, continue it without a request, verify it and report on it. The endpoint answers by prompt and seed,
so the same experiments in an empty root have the same traces, members, manifests and numbers (`golden/`).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from endpoints.scripted import ScriptedEndpoint, answered

ENGINE = {"kind": "openai", "concurrency": 4, "samples_per_request": 1}
REFUSED = {"n": 2, "temperature": 0.5, "max_tokens": 64}


def problems():
    """Six sums; the last asks the first one's question again under another id."""
    rows = [(f"s{i}", f"What is {i} plus {7 * i + 1} ?", str(8 * i + 1)) for i in (0, 1, 2, 3, 10)]
    rows.append(("again", rows[0][1], rows[0][2]))
    return [{"id": i, "problem": q, "answer": a, "level": len(a)} for i, q, a in rows]


def experiments(base_url, benchmark):
    """Two stages graded by rules; the same graded by a model; a baseline; one of which samples are refused."""
    engine = {**ENGINE, "base_url": base_url}
    explorer = {
        "model": {"id": "small", "params": 1e6},
        "engine": engine,
        "sampling": {"n": 4, "max_tokens": 64},
    }
    synthesizer = {
        "model": {"id": "big", "params": 4e6, "price": {"input": 1.0, "output": 2.0}},
        "engine": engine,
        "references": {"count": 3, "order": "by_vote"},
        "sampling": {"n": 2, "max_tokens": 64},
    }
    judge = {"kind": "judge", "model": {"id": "judge"}, "engine": engine}
    named = {"source": "file", "path": str(benchmark), "question": "problem", "id": "id"}
    both = {"benchmark": named, "explorer": explorer, "synthesizer": synthesizer}
    return [
        {"name": "sums", **both},
        {"name": "judged", **both, "grader": judge},
        {"name": "votes", "benchmark": named, "explorer": explorer, "grader": {"kind": "numeric"}},
        {"name": "refused", "benchmark": named, "explorer": {**explorer, "sampling": REFUSED}},
    ]


def answer(prompt, seed):
    """The judge approves of boxed answers that end in an odd digit; everyone else adds up, right three times in five."""
    if "Verdict" in prompt:
        return f"Verdict: {'correct' if seed % 3 else 'incorrect'}"
    return answered(prompt, seed)


def faults(_number, body):
    """One answer in nine runs into max_tokens; of the experiment `refused` one prompt in four is refused for good."""
    if body["temperature"] == REFUSED["temperature"] and body["seed"] % 4 == 0:
        return 400, "the prompt is too long for the context", {}
    if body["model"] == "judge" or body["seed"] % 9:
        return None
    message = {"role": "assistant", "content": "<think>let me see</think>I add and add"}
    usage = {"prompt_tokens": 11, "completion_tokens": 64}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "length"}], "usage": usage}


def serving():
    """The endpoint that the root was made with."""
    return ScriptedEndpoint(models=("small", "big", "judge"), answer=answer, fault=faults)


def main(folder):
    """Run the three experiments by the command line, and keep what they print."""
    folder = Path(folder).resolve()
    golden = folder / "golden"
    golden.mkdir(parents=True, exist_ok=True)
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems()))
    with serving() as endpoint, tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"PREFECT_HOME": home}
        for experiment in experiments(endpoint.base_url, folder / "problems.jsonl"):
            file = Path(home) / f"{experiment['name']}.yaml"
            file.write_text(json.dumps(experiment))
            command = [
                Path(sys.executable).with_name("a2r"),
                "run",
                file,
                "--root",
                folder / "root",
                "--json",
            ]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != (experiment["name"] == "refused"):
                sys.exit(done.stderr)
            (golden / f"{experiment['name']}.json").write_text(done.stdout)
    for derived in ("catalog.duckdb", "verdicts.sqlite", ".catalog.lock", ".in-use.lock"):
        (folder / "root" / derived).unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1])
