"""The batch interface: what is sent is sent once, whoever is killed when; what failed or expired is asked for again."""

import os
import signal
from functools import partial

import pytest
from endpoints.batch_runs import made
from endpoints.batches import BatchEndpoint
from endpoints.forks import Forks

from configs.engines import OpenAISettings
from configs.experiment import Experiment
from configs.loading import validated
from configs.schema import UserError
from tasks.engines.openai.batch_lines import Line, batch_of, pieces
from tasks.engines.protocol import EngineError
from tasks.run import stages_of
from warehouse.integrity import verify
from warehouse.store import Store


@pytest.fixture
def endpoint():
    with BatchEndpoint() as served:
        yield served


@pytest.fixture
def experiment(experiment_data, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    engine = experiment_data["explorer"]["engine"] | {"batch": True, "batch_poll_seconds": 0.02}
    experiment_data["explorer"]["engine"] = engine
    del experiment_data["synthesizer"]
    return experiment_data


def rows(root, data):
    [stage] = stages_of(Experiment.model_validate(data), str(root))
    wanted = set(stage.index.answers())
    return stage.index.rows(wanted, ["service_tier", "answer", "latency_seconds", "seed"]).to_pylist()


def test_stage_goes_out_as_one_batch_and_every_answer_finds_its_trace(endpoint, experiment, tmp_path):
    assert made(tmp_path / "root", experiment) == (40, {})
    assert endpoint.requests == [], "nothing is asked one by one"
    assert endpoint.calls.count("create") == 1 and set(endpoint.worked_on.values()) == {1}
    stored = rows(tmp_path / "root", experiment)
    assert len(stored) == 40 and {row["service_tier"] for row in stored} == {"batch"}
    assert len({row["seed"] for row in stored}) == 40 and all("boxed" in row["answer"] for row in stored)
    endpoint.calls.clear()
    assert made(tmp_path / "root", experiment) == (0, {})
    assert endpoint.calls == []


def test_failed_and_expired_lines_are_failures_and_are_asked_for_again(endpoint, experiment, tmp_path):
    endings = iter(
        [(500, "the server had an error"), "expired", "lost", (400, "content filtered by our policy")]
    )
    endpoint.ending = lambda _: next(endings, None)
    num_stored, failures = made(tmp_path / "root", experiment)
    assert num_stored == 36
    assert sum(failures.values()) == 4 and failures["timeout"] + failures["server_error"] >= 2
    assert made(tmp_path / "root", experiment) == (4, {})
    assert endpoint.calls.count("create") == 2
    assert set(endpoint.worked_on.values()) == {1} and len(endpoint.worked_on) == 40
    assert list(verify(Store(str(tmp_path / "root")))) == []


def test_batch_that_was_refused_as_a_whole_stops_with_the_provider_s_words(endpoint, experiment, tmp_path):
    endpoint.refuses_batch = "Enqueued token limit reached for small"
    with pytest.raises(EngineError, match=r"refused the batch batch_\d+ \(Enqueued token limit reached"):
        made(tmp_path / "root", experiment)
    endpoint.refuses_batch = ""
    assert made(tmp_path / "root", experiment) == (40, {})


def test_run_that_does_not_wait_ends_and_the_next_one_collects(endpoint, experiment, tmp_path):
    experiment["explorer"]["engine"] |= {"batch_wait_seconds": 0}
    endpoint.looks_until_end = 10**6
    endpoint.ending = lambda trace_id: "expired" if trace_id.startswith("0") else None
    for _ in range(2):
        with pytest.raises(EngineError, match=r"batch_\d+ .* have not ended .* nothing is sent twice"):
            made(tmp_path / "root", experiment)
    assert endpoint.calls.count("create") == 1
    [name] = endpoint.batches
    endpoint.end(name)
    elsewhere = tmp_path / "elsewhere"  # another machine, with neither root nor memory
    num_stored, failures = made(elsewhere, experiment)
    assert num_stored + sum(failures.values()) == 40 and num_stored == len(endpoint.worked_on)
    assert endpoint.calls.count("create") == 1, "what failed is told before it is asked for again"


def test_more_samples_join_what_is_under_way(endpoint, experiment, tmp_path):
    experiment["explorer"]["engine"] |= {"batch_wait_seconds": 0}
    endpoint.looks_until_end = 10**6
    with pytest.raises(EngineError):
        made(tmp_path / "root", experiment)
    experiment["explorer"]["sampling"]["n"] = 6
    experiment["explorer"]["engine"] |= {"batch_wait_seconds": None}
    endpoint.looks_until_end = 2
    assert made(tmp_path / "root", experiment) == (60, {})
    assert endpoint.calls.count("create") == 2 and set(endpoint.worked_on.values()) == {1}


@pytest.fixture
def forks(experiment):
    with Forks("endpoints.batch_runs") as forks:
        yield forks


def test_killed_at_every_step_nothing_is_sent_twice_and_nothing_lost(experiment, forks, tmp_path):
    """A run is killed right after each of its requests took effect, before it heard of it; the next one, every other time
    on another root, ends it. Before it took effect is as after the one before.
    """
    num_killed = 0
    for kill_at in range(100):
        with BatchEndpoint(looks_until_end=2) as served:
            experiment["explorer"]["engine"] |= {"base_url": served.base_url}
            root, seen, running = tmp_path / f"root-{kill_at}", [], []

            def step(kind, is_done, kill_at=kill_at, seen=seen, running=running):
                seen.extend([kind] if is_done else [])
                if is_done and len(seen) == kill_at + 1:
                    os.kill(running[-1], signal.SIGKILL)

            served.step, before = step, num_killed
            for attempt in range(2):
                place = tmp_path / f"other-{kill_at}" if attempt == 1 and kill_at % 2 else root
                running.append(forks.start("endpoints.batch_runs:made", str(place), experiment))
                code = forks.ended()
                if code == 0:
                    break
                num_killed += 1
            assert code == 0 and list(verify(Store(str(place)))) == []
            assert len(rows(place, experiment)) == 40
            assert len(served.worked_on) == 40 and set(served.worked_on.values()) == {1}, (
                kill_at,
                served.calls,
            )
        if num_killed == before:
            break
    assert num_killed >= len({"list", "upload", "create", "look", "download"})


def test_lines_are_cut_into_batches_by_number_and_size():
    lines = [Line(str(number), 1, b"x" * 60_000_000) for number in range(3)]
    assert [len(piece) for piece in pieces(lines)] == [1, 1, 1]
    assert [len(piece) for piece in pieces(Line(str(n), 1, b"") for n in range(50_001))] == [50_000, 1]


@pytest.mark.parametrize("told", [None, [], {"id": 3}, {"id": "b", "metadata": {"somebody": "else"}}])
def test_what_is_none_of_our_batches_is_left_alone(told):
    assert batch_of(told) is None


def test_odd_descriptions_of_a_batch_are_read_as_far_as_they_go():
    batch = batch_of({"id": "b", "status": None, "metadata": None, "request_counts": [], "created_at": "now"})
    assert (batch.status, batch.scope, batch.num_lines, batch.result_files) == ("", "", 0, ())


def test_batch_needs_one_address():
    settings = partial(validated, OpenAISettings, within="engine")
    with pytest.raises(UserError, match="batch: true"):
        settings({"kind": "openai", "batch": True, "base_url": ["http://a/v1", "http://b/v1"]})
    with pytest.raises(UserError, match="batch: true"):
        settings({"kind": "openai", "batch": True, "serve": {"port": 8001}})
