"""Which runs the next start of `a2r up` takes up again, with real processes; the server's API is the only thing made up."""

import os
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from uuid import uuid4

from tasks.executor.environment import settle

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry, Crashed, Running

from tasks.ops import automations, interrupted


class Server:
    """One run; the states that it is given."""

    def __init__(self, run):
        self.run, self.given, self.past = run, [], [run.state]

    def read_flow_runs(self, **_):
        return [self.run]

    def read_workers_for_work_pool(self, _):
        return []

    def read_flow_run_states(self, run_id):
        assert run_id == self.run.id
        return self.past

    def set_flow_run_state(self, run_id, state):
        assert run_id == self.run.id
        self.given.append(state.name)
        self.past.append(state)
        return SimpleNamespace(status="ACCEPT")


@contextmanager
def night(state):
    """A run in that state, and its process, which ends when its input does."""
    run_id = uuid4()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"],
        env=os.environ | {"PREFECT__FLOW_RUN_ID": str(run_id)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "up\n"
        yield (
            Server(
                FlowRun(
                    id=run_id,
                    flow_id=uuid4(),
                    name="night",
                    state=state,
                    state_type=state.type,
                    state_name=state.name,
                    infrastructure_pid=str(process.pid),
                )
            ),
            process,
        )


def test_run_whose_process_lives_goes_on_and_one_whose_process_is_gone_is_started_again():
    with night(Running()) as (server, process):
        [said] = interrupted.resume_interrupted(server, "a2r")
        assert said == f"night goes on in process {process.pid}." and server.given == []
        process.communicate("")
        [said] = interrupted.resume_interrupted(server, "a2r")
        assert "was interrupted (Running) and is started again" in said
        assert server.given == ["Crashed", "AwaitingRetry"]


def test_run_that_died_often_is_left_to_a_person_and_one_that_only_waited_often_is_not():
    with night(Crashed()) as (server, process):
        process.communicate("")
        server.past = [AwaitingRetry()] * 20 + [Crashed()] * 4
        [said] = interrupted.resume_interrupted(server, "a2r")
        assert "is started again" in said
        server.past = [Crashed()] * 5
        [said] = interrupted.resume_interrupted(server, "a2r")
        assert "has died 5 times; press Retry" in said


def test_crashed_run_is_started_again_once_its_process_has_ended():
    with night(Crashed()) as (server, process):
        sentences = interrupted.resume_interrupted(server, "a2r")
        assert "is ending; waiting for it" in next(sentences)
        assert server.given == []
        process.communicate("")
        assert "is started again" in next(sentences)
        assert server.given == ["AwaitingRetry"]


def test_crashed_run_whose_process_hangs_is_left_to_a_person(monkeypatch):
    monkeypatch.setattr(interrupted, "ENDING_SECONDS", 0.01)
    with night(Crashed()) as (server, process):
        *_, said = interrupted.resume_interrupted(server, "a2r")
        assert (
            said == f"night has crashed but its process {process.pid} does not end: end it, then press Retry."
        )
        assert server.given == []
        process.communicate("")


@pytest.mark.parametrize("pid", [None, "", "vm:12"])
def test_run_without_a_process_of_its_own_is_not_alive(pid):
    assert not interrupted.is_alive(FlowRun(flow_id=uuid4(), infrastructure_pid=pid))


def test_run_says_that_it_lives_many_times_before_it_is_called_dead(tmp_path):
    environment = {"HOME": str(tmp_path)}
    settle(environment)
    frequency = int(environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
    assert 5 * frequency < automations.SILENCE_SECONDS
