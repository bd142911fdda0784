"""Wall of the pipeline over wall of a bare aiohttp client, the same 2,000 requests, on one real `vllm serve`.

    A2R_VLLM_PYTHON=~/vllm/bin/python python tests/vllm/server_ratio.py

Bare, pipeline, bare again, at the same concurrency. Start-up is what the pipeline takes for one
problem on another root. Bodies differ from the pipeline's in nothing but the order they are sent in.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import aiohttp
import orjson
import yaml

from configs.experiment import Experiment
from configs.models import Sampling
from tasks.benchmarks.load import load_problems
from tasks.prompts.render import load_prompt
from warehouse.identity import sample_seed

A2R = str(Path(sys.executable).with_name("a2r"))
MODEL = "a2r-sum3-explorer"
FOLDER = Path(__file__).parents[2] / "tasks" / "models" / MODEL
PROBLEMS, N, CONCURRENCY = 500, 4, 64
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
            "sampling": {"n": N, "temperature": 1.0, "max_tokens": 64},
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
                    "seed": sample_seed(0, problem.problem_digest, index),
                }
            )


async def bare(port, requests):
    """Seconds for all of them, with a semaphore and nothing else."""
    room = asyncio.Semaphore(CONCURRENCY)
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
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


def pipeline(folder, root, *more):
    """Wall seconds of `a2r run`."""
    began = time.monotonic()
    subprocess.run(
        [A2R, "run", str(folder / "ratio.yaml"), "--root", str(folder / root), "--json", *more],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def span(folder, root):
    """Seconds from the first request of a root to its last reply."""
    query = (
        "select epoch(max(started_at + to_microseconds((latency_seconds * 1e6)::bigint)) - min(started_at)) as s "
        "from traces"
    )
    out = subprocess.check_output([A2R, "sql", query, "--format", "json", "--root", str(folder / root)])
    return json.loads(out)[0]["s"]


def is_healthy(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status == 200
    except OSError:
        return False


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
            until = time.monotonic() + 600
            while not is_healthy(port):
                assert server.poll() is None and time.monotonic() < until, (folder / "vllm.log").read_text()[
                    -3000:
                ]
                time.sleep(0.5)
            requests = list(bodies(port))
            asyncio.run(bare(port, requests[:200]))
            startup = pipeline(folder, "startup", "--limit", "1")
            first = asyncio.run(bare(port, requests))
            whole = pipeline(folder, "root")
            second = asyncio.run(bare(port, requests))
            sent = span(folder, "root")
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    mean = (first + second) / 2
    for told, figure in (
        ("bare client, before and after, seconds", f"{first:.1f}, {second:.1f}"),
        ("pipeline, whole; start-up (one problem), seconds", f"{whole:.1f}; {startup:.1f}"),
        ("  (whole - start-up) / bare (at most 1.05)", f"{(whole - startup) / mean:.3f}"),
        ("pipeline, first request to last reply, seconds", f"{sent:.1f}"),
        ("  / bare", f"{sent / mean:.3f}"),
    ):
        print(f"{told:<56} {figure}", flush=True)


if __name__ == "__main__":
    main()
