"""Servers that nobody here wrote: the same greedy texts and counts, streamed or not, directly and through a proxy.

`tests/servers/run.sh` builds their environments and names them in A2R_TRANSFORMERS and A2R_LITELLM.
"""

import asyncio
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from configs.engines import OpenAISettings
from configs.experiment import GeneratedBenchmark
from configs.models import Model
from configs.sampling import Sampling
from tasks.benchmarks.problems import load_problems
from tasks.engines.openai.engine import OpenAIEngine
from tasks.engines.protocol import Completion, Request
from tasks.prompts.render import load_prompt

ENVIRONMENTS = [os.environ.get(name) for name in ("A2R_TRANSFORMERS", "A2R_LITELLM")]
if None in ENVIRONMENTS:
    pytest.skip("tests/servers/run.sh builds their environments and names them", allow_module_level=True)
TRANSFORMERS, LITELLM = (Path(folder) / "bin" for folder in ENVIRONMENTS)
MODEL = str(Path(__file__).parents[2] / "tasks" / "models" / "a2r-sum3-explorer")
PROBLEMS = load_problems(GeneratedBenchmark(source="generated", family="sum3", count=12))
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
START_SECONDS = 300


@contextmanager
def served(command, port, folder):
    """The server until the block ends; what it says is in `folder`."""
    with (folder / f"{port}.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | QUIET)
        try:
            until = time.monotonic() + START_SECONDS
            while server.poll() is None and time.monotonic() < until:
                try:
                    urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).close()
                    break
                except (URLError, OSError):
                    time.sleep(0.5)
            else:
                pytest.fail(Path(log.name).read_text()[-2000:])
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def transformers(tmp_path_factory):
    port = unused()
    command = [TRANSFORMERS / "transformers", "serve", MODEL, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--device", "cpu", "--dtype", "float32"]
    with served(command, port, tmp_path_factory.mktemp("transformers")) as url:
        yield url, MODEL


@pytest.fixture(scope="module")
def litellm(transformers, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("litellm"), unused()
    behind = {"model": f"openai/{transformers[1]}", "api_base": transformers[0], "api_key": "none"}
    config = {
        "model_list": [{"model_name": "small", "litellm_params": behind}],
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
        "litellm_settings": {"drop_params": True, "telemetry": False},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [
        LITELLM / "litellm",
        "--config",
        folder / "config.yaml",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with served(command, port, folder) as url:
        yield url, "small"


def unused():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(where, **settings):
    """Greedy answers to all problems: texts, endings and counts."""
    url, model = where
    form = OpenAISettings(kind="openai", base_url=url, concurrency=4, **settings)
    prompt, sampling = load_prompt("explore-small"), Sampling(temperature=0.0, max_tokens=96)

    async def run():
        engine, held = OpenAIEngine(Model(id=model), form), {}
        await engine.start()
        try:
            requests = [
                Request(prompt.filled({"question": p.question}), sampling, (7,), p.question, (0,))
                for p in PROBLEMS
            ]
            waiting = (
                engine.complete(request, lambda _, outcome, place=place: held.__setitem__(place, outcome))
                for place, request in enumerate(requests)
            )
            await asyncio.gather(*waiting)
        finally:
            await engine.close()
        return [held[place] for place in range(len(PROBLEMS))]

    outcomes = asyncio.run(run())
    assert all(isinstance(outcome, Completion) for outcome in outcomes), outcomes
    return [
        (o.reasoning, o.answer, o.finish_reason, o.num_prompt_tokens, o.num_completion_tokens)
        for o in outcomes
    ]


@pytest.fixture(scope="module")
def unstreamed(transformers):
    return answers(transformers, stream=False)


def test_transformers_streams_the_texts_and_counts_that_it_gives_as_a_whole(transformers, unstreamed):
    assert len(set(unstreamed)) == len(PROBLEMS) and all("boxed" in answer for _, answer, *_ in unstreamed)
    assert all(prompt > 0 and completion > 0 for *_, prompt, completion in unstreamed)
    assert answers(transformers, stream=True) == unstreamed


@pytest.mark.parametrize("stream", [False, True])
def test_proxy_changes_neither_texts_nor_counts(litellm, unstreamed, stream):
    assert answers(litellm, stream=stream) == unstreamed
