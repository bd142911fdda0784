"""Servers that a run starts: driven, restarted, shared, stopped, and never left behind."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from endpoints.living import runs
from endpoints.scripted import ScriptedEndpoint

from configs.engines import OpenAISettings
from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.openai.engine import OpenAIEngine
from tasks.engines.protocol import Completion, EngineError, Message, Request

STANDIN = str(Path(__file__).parents[1] / "endpoints" / "standin.py")
TESTS = str(Path(__file__).parents[1])


@pytest.fixture
def place(tmp_path, monkeypatch, unused_port):
    """A free port, a state folder and an event file of this test's own; nothing may run at the end."""
    port = unused_port()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("STANDIN_EVENTS", str(tmp_path / "events.jsonl"))
    yield Place(tmp_path, port)
    left = [pid for pid in Place(tmp_path, port).pids() if runs(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, "a process outlived its test"


class Place:
    def __init__(self, folder, port):
        self.folder, self.port = folder, port

    def form(self, *, serve=None, **engine):
        server = {"port": self.port, "gpus": [], "command": [sys.executable, STANDIN], "start_seconds": 60}
        return OpenAISettings(
            kind="openai",
            serve=server | (serve or {}),
            **{"retries": 8, "patience_seconds": 5, "samples_per_request": 1, **engine},
        )

    def events(self, kind):
        path = self.folder / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["kind"] == kind]

    def pids(self):
        return [pid for event in self.events("started") for pid in (event["pid"], event["child"])]

    @property
    def record(self):
        [path] = (self.folder / "state").rglob("server.json")
        return json.loads(path.read_text())


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def request(seed):
    message = Message("user", f"What is {seed} plus 3 ?")
    return Request((message,), Sampling(max_tokens=32), (seed,), "q", (0,))


async def completed(engine, count, meanwhile=None):
    """Outcomes of so many requests by seed, four at a time; a quarter of them in, `meanwhile` is called."""
    held, room = {}, asyncio.Semaphore(4)

    def deliver_to(seed):
        def deliver(_, outcome):
            held.setdefault(seed, []).append(outcome)
            if len(held) == count // 4 and meanwhile:
                meanwhile()

        return deliver

    async def one(seed):
        async with room:
            await engine.complete(request(seed), deliver_to(seed))

    await asyncio.gather(*map(one, range(count)))
    return held


def drive(form, count=4, meanwhile=None, model="small", after=None):
    async def run():
        engine = OpenAIEngine(Model(id=model), form)
        try:
            await engine.start()
            held = await completed(engine, count, meanwhile)
            if after:
                after()
            return held
        finally:
            await engine.close()

    return asyncio.run(run())


def test_server_is_started_on_loopback_driven_and_stopped_with_all_its_children(place):
    def look():
        [event] = place.events("started")
        assert (event["name"], event["gpus"]) == ("small", "0,2")
        [connection] = [c for c in psutil.Process(event["pid"]).net_connections() if c.status == "LISTEN"]
        assert connection.laddr == ("127.0.0.1", place.port)

    held = drive(place.form(serve={"gpus": [0, 2], "args": {"enforce_eager": True}}), after=look)
    assert all(isinstance(outcome, Completion) for [outcome] in held.values()) and len(held) == 4
    assert not any(map(runs, place.pids()))
    assert not list((place.folder / "state").rglob("server.json"))
    [stopped] = place.events("stopped")
    assert stopped["answered"] == 4


def test_server_killed_in_the_middle_is_started_again_and_every_sample_comes_once(place):
    def kill():
        os.kill(place.record["server"][0], signal.SIGKILL)

    held = drive(place.form(serve={"args": {"latency": 0.2}}, concurrency=8), 24, meanwhile=kill)
    assert sorted(held) == list(range(24))
    assert all(len(outcomes) == 1 and isinstance(outcomes[0], Completion) for outcomes in held.values())
    assert len(place.events("started")) == 2
    assert not any(map(runs, place.pids())), "the first server's child is gone as well"


def test_server_whose_engine_is_dead_behind_its_api_is_started_again(place, monkeypatch, tmp_path):
    monkeypatch.setattr("tasks.engines.openai.health.EVERY_SECONDS", 0.2)
    monkeypatch.setenv("STANDIN_DEAD", str(tmp_path / "dead"))
    held = drive(place.form(), count=8)
    assert len(held) == 8 and all(isinstance(outcome, Completion) for [outcome] in held.values())
    assert len(place.events("started")) == 2


def test_server_that_dies_too_often_is_told_with_its_log(place):
    def kill():
        os.kill(place.record["server"][0], signal.SIGKILL)

    with pytest.raises(EngineError, match=r"died, after 0 restarts \(SIGKILL\)(.|\n)*loading"):
        drive(place.form(serve={"args": {"latency": 0.2}, "restarts": 0}), 8, meanwhile=kill)


SCRIPT = """
import sys; sys.path[:0] = [{tests!r}, {here!r}]
from pathlib import Path
from test_managed_server import Place, drive
drive(Place(Path({folder!r}), {port}).form(serve={{"args": {{"latency": 0.2}}}}, concurrency=4), 4000)
"""


def killed_run(place, *, also_guard):
    """A run in a process of its own, killed while its requests are under way."""
    here = str(Path(__file__).parent)
    script = SCRIPT.format(tests=TESTS, here=here, folder=str(place.folder), port=place.port)
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    until(lambda: place.events("started") and list((place.folder / "state").rglob("server.json")))
    with socket.socket() as probe:
        until(lambda: probe.connect_ex(("127.0.0.1", place.port)) == 0)
    record = place.record
    if also_guard:
        os.kill(record["guard"][0], signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return record


def test_killed_run_leaves_no_server(place):
    killed_run(place, also_guard=False)
    until(lambda: not any(map(runs, place.pids())))


def test_server_left_by_a_killed_run_and_guard_is_ended_by_the_next_start(place):
    record = killed_run(place, also_guard=True)
    assert runs(record["server"][0]), "it is an orphan"
    held = drive(place.form(serve={"args": {"latency": 0.2}}))
    assert len(held) == 4
    assert len(place.events("started")) == 2
    assert not any(map(runs, place.pids()))


def test_lingering_server_is_used_by_the_next_run_and_ends_by_itself(place):
    lingering = place.form(serve={"linger_seconds": 3})
    drive(lingering)
    drive(lingering)
    [event] = place.events("started")
    assert runs(event["pid"])
    until(lambda: not any(map(runs, place.pids())))


def test_runs_share_a_server_and_the_last_one_stops_it(place):
    async def run():
        first, second = (OpenAIEngine(Model(id="small"), place.form(concurrency=c)) for c in (4, 8))
        await asyncio.gather(first.start(), second.start())
        await first.close()
        held = await completed(second, 4)
        await second.close()
        return held

    assert len(asyncio.run(run())) == 4
    assert len(place.events("started")) == 1
    assert not any(map(runs, place.pids()))


def test_another_model_on_a_port_in_use_is_refused(place):
    async def run():
        first, second = (OpenAIEngine(Model(id=name), place.form()) for name in ("small", "other"))
        await first.start()
        try:
            with pytest.raises(EngineError, match=r"in use by another run(.|\n)*small"):
                await second.start()
            return await completed(first, 4)
        finally:
            await second.close()
            await first.close()

    assert len(asyncio.run(run())) == 4


def test_server_started_by_hand_is_used_and_left_alone(place):
    with ScriptedEndpoint(models=("small",), port=place.port) as endpoint:
        drive(place.form())
        assert endpoint.num_samples == 4
        assert place.events("started") == []


def test_port_taken_by_something_else_is_told(place):
    with (
        ScriptedEndpoint(models=("another",), port=place.port),
        pytest.raises(EngineError, match="is taken by"),
    ):
        drive(place.form())


@pytest.mark.parametrize(
    ("serve", "fails", "told"),
    [
        ({"command": ["no-such-vllm", "serve"]}, "", r"there is no program no-such-vllm\. Install vLLM"),
        ({"model": "./nowhere"}, "", "holds no config.json"),
        ({}, "torch.OutOfMemoryError: CUDA out of memory. Tried", "lower args.gpu_memory_utilization"),
        ({"args": {"no_such_option": 1}}, "", "engine.serve.args"),
        ({"command": [sys.executable, "-m", "no_such_vllm"]}, "", "lacks vLLM"),
    ],
)
def test_server_that_cannot_start_says_why_and_what_to_do(place, monkeypatch, serve, fails, told):
    monkeypatch.setenv("STANDIN_FAILS", fails)
    monkeypatch.setenv("SOME_TOKEN", "hf-secret-1234")
    with pytest.raises(EngineError, match=told) as error:
        drive(place.form(serve=serve))
    assert "hf-secret" not in str(error.value)


def test_server_that_loads_for_too_long_is_told_with_its_log_and_ended(place):
    script = "import os, time; print('still', 'loading', os.getpid(), flush=True); time.sleep(600)"
    serve = {"command": [sys.executable, "-c", script], "start_seconds": 2}
    with pytest.raises(EngineError, match=r"does not answer after serve\.start_seconds \(2\)") as error:
        drive(place.form(serve=serve))
    [pid] = re.findall(r"still loading (\d+)", str(error.value))
    assert not runs(int(pid))


def test_key_reaches_the_server_by_its_environment_alone(place, monkeypatch):
    monkeypatch.setenv("A2R_TEST_KEY", "sk-very-secret-0123")
    held = drive(
        place.form(api_key_env="A2R_TEST_KEY"), after=lambda: json.dumps(place.record).index("standin")
    )
    assert len(held) == 4, "the server asks for the key, and the run has it"
    files = [path for path in place.folder.rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"sk-very-secret" in path.read_bytes()]
