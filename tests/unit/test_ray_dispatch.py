"""Replicas on Ray, as far as no Ray is needed: who is sent what, what a replica takes, and what a run without Ray knows of it."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from configs.engines import EngineSettings
from configs.loading import load_experiment
from configs.models import Model
from configs.schema import UserError
from tasks.engines.protocol import EVERY_GPU, EngineAbsent
from tasks.engines.ray.demand import Demand, demand_of, place_for
from tasks.engines.ray.dispatch import Dispatch, Request
from tasks.engines.ray.replica import check_weights, numbered
from tasks.engines.resolving import resolved, share_hardware
from tasks.run import stages_of


def engine(kind="onnx", **settings):
    return TypeAdapter(EngineSettings).validate_python({"kind": kind, **settings})


def on_ray(kind="onnx", **settings):
    return engine(kind, on="ray", **settings)


def request(number, units=1):
    return Request(number, b"", units)


def test_a_request_goes_to_the_least_loaded_replica():
    dispatch = Dispatch()
    dispatch.joins("big", 4, 1)
    dispatch.joins("small", 2, 1)
    sent = [dispatch.place(request(number))[0] for number in range(6)]
    assert (sent.count("big"), sent.count("small")) == (4, 2)
    dispatch.ends(sent.index("small"))
    assert dispatch.place(request(7))[0] == "small"


def test_without_a_replica_requests_wait_and_are_sent_to_the_first_that_comes():
    dispatch = Dispatch()
    assert [dispatch.place(request(number)) for number in range(3)] == [None] * 3
    assert [target for target, _ in dispatch.joins("late", 2, 1)] == ["late"] * 3
    assert not dispatch.waiting


def test_what_a_lost_replica_says_of_a_request_that_was_taken_from_it_is_not_heard():
    dispatch = Dispatch()
    dispatch.joins("frozen", 1, 1)
    dispatch.place(request(1, units=2))
    assert dispatch.heard("frozen", 1, 0)
    dispatch.joins("other", 1, 1)
    [lost] = dispatch.leaves("frozen")
    assert (lost.done, lost.losses) == ({0}, 1)
    assert dispatch.place(lost)[0] == "other"
    assert not dispatch.heard("frozen", 1, 1)
    assert dispatch.heard("other", 1, 1) and not dispatch.heard("other", 1, 1)
    assert dispatch.ends(1) == "other" and dispatch.ends(1) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "join", "lose", "answer", "late"]), st.integers(0, 30)), max_size=80
    )
)
def test_whatever_comes_and_goes_each_sample_is_passed_on_once_and_none_is_forgotten(moves):
    dispatch, passed, asked, lost, names = Dispatch(), [], [], [], iter(range(1000))
    for move, which in [*moves, ("join", 0)]:
        members = list(dispatch.members)
        match move:
            case "ask":
                asked.append(len(asked))
                dispatch.place(request(asked[-1]))
            case "join":
                dispatch.joins(next(names), 1 + which % 3, 1)
            case "lose" if members:
                lost.append(members[which % len(members)])
                for each in dispatch.leaves(lost[-1]):
                    dispatch.place(each)
            case "late" if lost and asked:
                assert not dispatch.heard(lost[which % len(lost)], which % len(asked), 0)
            case "answer" if asked:
                number = which % len(asked)
                for member in members:
                    if dispatch.heard(member, number, 0):
                        passed.append(number)
                        dispatch.ends(number)
    open_now = [each.number for each in dispatch.all()]
    assert sorted(passed + open_now) == asked


@pytest.mark.parametrize(
    ("settings", "demand"),
    [
        (on_ray(), Demand(0, 1)),
        (on_ray(ray={"cpus": 0.5, "gpus": 0.25}), Demand(0.25, 0.5)),
        (on_ray("vllm"), Demand(1, 1)),
        (on_ray("vllm", args={"tensor_parallel_size": 4, "pipeline_parallel_size": 2}), Demand(8, 1)),
        (
            on_ray("vllm", args={"tensor_parallel_size": 16, "distributed_executor_backend": "ray"}),
            Demand(0, 1),
        ),
        (on_ray("vllm", args={"tensor_parallel_size": 4}, ray={"gpus": 0}), Demand(0, 1)),
        (on_ray("openai", serve={"port": 8001, "args": {"tensor-parallel-size": 2}}), Demand(2, 1)),
        (on_ray("openai", serve={"port": 8001, "gpus": [0, 1, 2]}), Demand(3, 1)),
        (on_ray("openai", serve={"port": 8001, "gpus": []}), Demand(0, 1)),
    ],
)
def test_a_replica_takes_the_gpus_that_its_parallelism_needs(settings, demand):
    assert demand_of(settings) == demand


def test_a_replica_finds_place_on_one_node_only():
    assert place_for(Demand(4, 1), [(8, 64), (8, 1), (2, 64)]) == 3
    assert place_for(Demand(0.5, 0), [(1, 8)]) == 2
    assert place_for(Demand(0, 3), [(0, 2), (0, 2)]) == 0


def test_servers_of_several_replicas_have_ports_of_their_own_and_the_gpus_that_ray_gives():
    first, third = (numbered(on_ray("openai", serve={"port": 8001, "gpus": [0]}), n) for n in (0, 2))
    assert (first.serve.port, third.serve.port, third.serve.gpus) == (8001, 8003, None)
    assert numbered(on_ray("openai", serve={"port": 8001, "gpus": []}), 1).serve.gpus == ()


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        (
            "0" * 16,
            "the node's files of a2r-sum3-explorer have the digest [0-9a-f]{16}, the run's 0{16}; give both",
        ),
        ("shipped", None),
        (None, None),
    ],
)
def test_a_node_whose_files_of_a_model_are_others_is_refused(revision, told):
    kind, settings = resolved(engine())
    model = Model(id="a2r-sum3-explorer", revision=revision)
    if told:
        with pytest.raises(UserError, match=told):
            check_weights(kind, model, settings)
    else:
        check_weights(kind, model, settings)
    same = model.model_copy(
        update={"revision": kind.identify(model.model_copy(update={"revision": None}), settings)}
    )
    check_weights(kind, same, settings)


def test_stages_that_reserve_something_of_one_cluster_take_turns():
    assert share_hardware(on_ray(), on_ray(batch_size=8))
    assert not share_hardware(on_ray(), engine())
    assert not share_hardware(on_ray(ray={"cpus": 0}), on_ray(ray={"cpus": 0}))
    assert not share_hardware(on_ray(ray={"address": "a:1"}), on_ray(ray={"address": "b:1"}))
    assert EVERY_GPU in resolved(on_ray("vllm")).kind.claims(resolved(on_ray("vllm")).settings)


def test_a_recipe_knows_nothing_of_ray(tmp_path):
    sets = [f"{role}.engine.{s}" for role in ("explorer", "synthesizer") for s in ("on=ray", "replicas=auto")]
    here, there = (stages_of(load_experiment("quickstart", told), str(tmp_path)) for told in ([], sets))
    assert [stage.recipe.key for stage in here] == [stage.recipe.key for stage in there]
    assert [stage.engine.on for stage in there] == ["ray", "ray"]


def test_an_experiment_file_says_on_ray_as_the_page_does(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "ray.md").read_text(encoding="utf-8")
    [explorer] = re.findall(r"```yaml\n(explorer:.*?)```", page, re.DOTALL)
    file = tmp_path / "cluster.yaml"
    file.write_text(f"name: cluster\nbase: quickstart\n{explorer}", encoding="utf-8")
    engine = load_experiment(str(file)).explorer.engine
    assert (engine.on, engine.replicas, engine.cluster.address) == ("ray", 8, "auto")
    assert demand_of(engine) == Demand(2, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"replicas": 2}, "add on: ray"),
        ({"ray": {"address": "auto"}}, "add on: ray"),
        ({"on": "ray", "ray": {"address": "http://head"}}, "give auto, local, host:port or ray://host:port"),
        ({"on": "ray", "replicas": 0}, "greater than or equal to 1"),
        ({"kind": "openai", "base_url": "http://h/v1", "on": "ray"}, "list its replicas in base_url"),
        ({"kind": "replay", "path": "r.jsonl", "on": "ray"}, "leave on out"),
    ],
)
def test_settings_that_cannot_work_say_what_to_write(settings, message):
    with pytest.raises(ValidationError, match=message):
        engine(**{"kind": "onnx", **settings})


@pytest.mark.skipif(bool((spec := find_spec("ray")) and spec.origin), reason="Ray is installed here")
def test_without_ray_one_sentence_names_the_extra():
    kind, settings = resolved(on_ray())
    with pytest.raises(EngineAbsent, match=r"install the extra: pip install 'a2r\[ray\]'"):
        kind.check(Model(id="a2r-sum3-explorer"), settings)


def test_a_run_knows_ray_in_a_process_of_its_own_alone():
    script = "import sys, tasks.engines.ray.kind, tasks.engines.ray.engine, tasks.engines.ray.look; print('ray' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).split() == ["False"]
