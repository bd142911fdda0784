"""The real vLLM as two replicas on Ray: the same greedy texts as in the run's own process.

tests/vllm/run.sh ray

A CPU build will do; the cluster is one node on loopback.
"""

import asyncio
import json
import subprocess
from importlib.util import find_spec

import psutil
import pytest
import yaml
from endpoints.on_ray import Driven, traces
from endpoints.real_vllm import A2R, ARGS, environment, needs_vllm
from pydantic import TypeAdapter

from configs.engines import EngineSettings
from configs.sampling import Sampling

needs_vllm()
if (spec := find_spec("ray")) is None or spec.origin is None:
    pytest.skip("Ray is not installed here; tests/vllm/run.sh ray adds it", allow_module_level=True)

PROBLEMS = 24
ON_RAY = {"on": "ray", "replicas": 2, "ray": {"address": "local", "gpus": 0, "cpus": 0.5}}

pytestmark = pytest.mark.timeout(1500)


def made(folder, name, **placed):
    """What `a2r run` says of the experiment under this name, in a root of that name."""
    engine = {"kind": "vllm", "args": ARGS, **placed}
    experiment = {
        "name": name,
        "benchmark": {"source": "generated", "family": "sum3", "count": PROBLEMS},
        "explorer": {
            "model": {"id": "a2r-sum3-explorer"},
            "engine": engine,
            "prompt": "explore-small",
            "sampling": {"n": 2, "temperature": 0, "max_tokens": 64},
        },
        "synthesizer": {
            "model": {"id": "a2r-sum3-synthesizer"},
            "engine": engine,
            "prompt": "synthesize-small",
            "references": {"count": 2},
            "sampling": {"n": 1, "temperature": 0, "max_tokens": 320},
        },
        "grader": {"kind": "exact"},
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(experiment))
    done = subprocess.run(
        [A2R, "run", str(file), "--root", str(folder / name), "--json"],
        capture_output=True,
        text=True,
        env=environment(folder),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return json.loads(done.stdout)


def test_both_replicas_answer_and_say_the_same(tmp_path, monkeypatch):
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    settings = TypeAdapter(EngineSettings).validate_python({"kind": "vllm", "args": ARGS, **ON_RAY})

    async def asked():
        made = Driven(settings, "a2r-sum3-explorer", Sampling(n=1, temperature=0, max_tokens=8))
        try:
            await made.engine.start()
            await made.up(2, 600)
            cores = [p for p in psutil.process_iter() if "VLLM::EngineCore" in " ".join(p.cmdline())]
            before = [sum(core.cpu_times()[:2]) for core in cores]
            await made.ask(64)
            return made, [sum(core.cpu_times()[:2]) - then for core, then in zip(cores, before, strict=True)]
        finally:
            await made.engine.close()

    made, worked = asyncio.run(asked())
    assert made.is_whole and len(made.delivered) == 64
    assert len({(outcome.reasoning, outcome.answer) for outcome in made.outcomes.values()}) == 1
    assert len(worked) == 2 and min(worked) > max(worked) / 4, f"CPU seconds of the replicas' cores: {worked}"


def test_two_replicas_on_ray_give_the_same_greedy_texts(tmp_path):
    here, there = made(tmp_path, "here"), made(tmp_path, "there", **ON_RAY)
    ours, theirs = traces(tmp_path / "here"), traces(tmp_path / "there")
    assert len(ours) == 3 * PROBLEMS and theirs == ours
    assert here["metrics"] == there["metrics"]
