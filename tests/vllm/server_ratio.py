"""Wall of the pipeline over wall of a bare aiohttp client, the same 2,000 requests, on one real `vllm serve`.

    A2R_VLLM_PYTHON=~/vllm/bin/python python tests/vllm/server_ratio.py

The server has half of the cores and the clients the other half, as if it were another machine: on shared cores its
busy-waiting processes keep any client from sending, now and then, and the yardstick itself varies by a factor of two.
Bare and pipeline in turn, at the same concurrency; bodies differ from the pipeline's in nothing but the
order they are sent in. Start-up is what the pipeline takes for one problem, on another root, before its
first request and behind its last reply: Prefect, imports, grading, the catalog, the report of numbers.
What grows with the requests is not taken off.
"""

import asyncio
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import aiohttp
import orjson
import yaml

from configs.experiment import Experiment
from configs.sampling import Sampling
from tasks.benchmarks.problems import load_problems
from tasks.prompts.render import load_prompt
from warehouse.identity import sample_seed

A2R = str(Path(sys.executable).with_name("a2r"))
MODEL = "a2r-sum3-explorer"
FOLDER = Path(__file__).parents[2] / "tasks" / "models" / MODEL
PROBLEMS, N, CONCURRENCY = 500, 4, 64
REPETITIONS = 3
TOKENS = 96
"""Of every answer, so that 2,000 take half a minute and more: an engine's work, not a client's."""
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}


def experiment(port):
    return {
        "name": "ratio",
        "benchmark": {"source": "generated", "family": "sum3", "count": PROBLEMS},
        "explorer": {
            "model": {"id": MODEL},
            "engine": {
                "kind": "openai",
                "base_url": f"http://127.0.0.1:{port}/v1",
                "concurrency": CONCURRENCY,
                "samples_per_request": 1,
            },
            "prompt": "explore-small",
            "sampling": {"n": N, "temperature": 1.0, "max_tokens": TOKENS, "extra": {"ignore_eos": True}},
        },
        "grader": {"kind": "exact"},
    }


def bodies(port):
    """The 2,000 requests as the pipeline sends them."""
    form = Experiment.model_validate(experiment(port))
    prompt, sampling = load_prompt("explore-small"), Sampling(**experiment(port)["explorer"]["sampling"])
    for problem in load_problems(form.benchmark):
        messages = [{"role": m.role, "content": m.content} for m in prompt.render(problem.question, ())]
        for index in range(N):
            yield orjson.dumps(
                {
                    "model": MODEL,
                    "messages": messages,
                    "temperature": sampling.temperature,
                    "max_tokens": sampling.max_tokens,
                    **sampling.extra,
                    "seed": sample_seed(0, problem.problem_digest, index),
                }
            )


async def bare(port, requests):
    """Seconds for all of them, with a semaphore and nothing else."""
    room = asyncio.Semaphore(CONCURRENCY)
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3)  # vLLM drops idle connections after 5 s
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(body):
            async with (
                room,
                session.post(f"http://127.0.0.1:{port}/v1/chat/completions", data=body) as response,
            ):
                assert (await response.json())["choices"]

        began = time.monotonic()
        await asyncio.gather(*map(one, requests))
        return time.monotonic() - began


class Spent(NamedTuple):
    """Wall seconds of one `a2r run`."""

    before: float
    """From the command to the first request."""
    span: float
    """From the first request to the last reply."""
    after: float
    """From the last reply to the command's end."""

    @property
    def whole(self):
        return sum(self)


def pipeline(folder, root, *more):
    """One `a2r run`, by the times that its traces hold."""
    began = time.time()
    subprocess.run(
        [A2R, "run", str(folder / "ratio.yaml"), "--root", str(folder / root), "--json", *more],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    ended = time.time()
    query = (
        "select epoch(min(started_at)) as first, "
        "epoch(max(started_at + to_microseconds((latency_seconds * 1e6)::bigint))) as last from traces"
    )
    out = subprocess.check_output([A2R, "sql", query, "--format", "json", "--root", str(folder / root)])
    [row] = json.loads(out)
    return Spent(row["first"] - began, row["last"] - row["first"], ended - row["last"])


def is_healthy(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status == 200
    except OSError:
        return False


def shown(spent):
    return " + ".join(f"{seconds:.1f}" for seconds in spent)


def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        os.environ["A2R_VLLM_PYTHON"],
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(FOLDER),
    ]
    flags = ["--served-model-name", MODEL, "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    flags += [
        "--max-num-seqs",
        "64",
        "--max-model-len",
        "256",
        "--enforce-eager",
        "--no-enable-prefix-caching",
    ]
    with tempfile.TemporaryDirectory(prefix="a2r-ratio-") as name:
        folder = Path(name)
        (folder / "ratio.yaml").write_text(yaml.safe_dump(experiment(port)))
        server = subprocess.Popen(
            [*command, *flags],
            env=os.environ | ENVIRONMENT,
            stdout=(folder / "vllm.log").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(
                server.pid, cores[: len(cores) // 2]
            )  # before it starts processes of its own
            os.sched_setaffinity(0, cores[len(cores) // 2 :])
            until = time.monotonic() + 600
            while not is_healthy(port):
                assert server.poll() is None and time.monotonic() < until, (folder / "vllm.log").read_text()[
                    -3000:
                ]
                time.sleep(0.5)
            requests = list(bodies(port))
            asyncio.run(bare(port, requests[:200]))
            startup = pipeline(folder, "startup", "--limit", "1")
            bares, ours = [asyncio.run(bare(port, requests))], list[Spent]()
            for turn in range(REPETITIONS):
                ours.append(pipeline(folder, f"root-{turn}"))
                bares.append(asyncio.run(bare(port, requests)))
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    fixed = startup.before + startup.after
    around = [(before + after) / 2 for before, after in itertools.pairwise(bares)]

    def ratios(seconds):
        """One a repetition, over the bare client before and after it; the median last."""
        found = [spent / beside for spent, beside in zip(seconds, around, strict=True)]
        return " ".join(f"{ratio:.3f}" for ratio in found) + f"; median {statistics.median(found):.3f}"

    for told, figure in (
        ("bare client, seconds", " ".join(f"{seconds:.1f}" for seconds in bares)),
        ("pipeline: to first request, to last reply, to the end", "; ".join(map(shown, ours))),
        ("  the same for one problem", shown(startup)),
        (
            "  (whole - start-up and end for one problem) / bare (at most 1.05)",
            ratios([spent.whole - fixed for spent in ours]),
        ),
        ("  first request to last reply / bare", ratios([spent.span for spent in ours])),
        ("  whole / bare", ratios([spent.whole for spent in ours])),
    ):
        print(f"{told:<68} {figure}", flush=True)


if __name__ == "__main__":
    main()
