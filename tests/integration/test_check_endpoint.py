"""What `a2r check` learns from an endpoint: its context, its cache, a wrong key, and how long the rest would take."""

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from endpoints.scripted import ScriptedEndpoint
from rich.console import Console
from typer.testing import CliRunner

from configs.engines import OpenAISettings
from configs.experiment import Experiment
from configs.loading import load_experiment, presets
from configs.models import Model
from configs.schema import UserError
from flows.cli import app
from flows.commands.printing.runs import print_summary
from tasks.analysis.check import check_experiment
from tasks.analysis.usual import busy_seconds
from tasks.benchmarks.problems import load_problems
from tasks.engines.cache_size import cache_tokens, gpu_bytes, token_bytes
from tasks.engines.openai.probe import cache_told, context_told
from tasks.run import stages_of
from tasks.stage import plans_of
from warehouse.catalog import connect
from warehouse.journal import traces_table
from warehouse.loader import load
from warehouse.store import Store, traces_folder

METRICS = (
    'vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="100",sliding_window="None"} 1.0\n'
    'vllm:cache_config_info{block_size="16",engine="1",num_gpu_blocks="50"} 1.0\n'
)


class PublicList(ScriptedEndpoint):
    """An endpoint that shows its models to everybody."""

    async def _models(self, request):
        key, self.key = self.key, None
        try:
            return await super()._models(request)
        finally:
            self.key = key


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({"id": "small", "max_model_len": 4096}, 4096),
        ({"id": "small", "context_length": 8192}, 8192),
        ({"id": "small", "meta": {"n_ctx": 2048}}, 2048),
        ({"id": "small", "max_model_len": "many"}, None),
        ({"id": "other", "max_model_len": 4096}, None),
        ({"id": "small"}, None),
    ],
)
def test_context_is_read_from_the_list_of_models(entry, context):
    assert context_told({"data": [entry]}, "small") == context


@pytest.mark.parametrize("reply", [None, [], {"data": None}, {"data": [3]}, "text"])
def test_odd_lists_tell_nothing(reply):
    assert context_told(reply, "small") is None


def test_cache_is_blocks_times_their_size_over_all_engines():
    assert cache_told(METRICS) == 2400
    assert cache_told("vllm:cache_config_info{} 1.0\n") is None and cache_told("") is None


def test_check_shows_the_servers_context_and_warns_of_a_crowd(endpoint, experiment_data, tmp_path):
    models = [{"id": "small", "max_model_len": 1000}, {"id": "big", "max_model_len": 100}]
    endpoint.models_reply = (200, json.dumps({"data": models}).encode(), "application/json")
    endpoint.metrics = lambda: METRICS
    report = check_experiment(Experiment.model_validate(experiment_data), str(tmp_path / "root"))
    explore, synthesize = report.stages["explore"], report.stages["synthesize"]
    assert (explore.context.room, explore.cache) == (1000, 2400)
    assert explore.fits_at_once == 2400 // explore.context.needed
    assert synthesize.context.fits is False
    told = "\n".join(report.complaints)
    assert "synthesize: the longest request may need" in told and "the context holds 100" in told
    assert "synthesize: engine.concurrency is 16, but the server's cache of 2,400 tokens holds about" in told
    assert endpoint.requests == [], "no key, so nothing but lists is asked for"
    (tmp_path / "sums.yaml").write_text(json.dumps(experiment_data))
    shown = (
        CliRunner()
        .invoke(app, ["check", str(tmp_path / "sums.yaml"), "--root", str(tmp_path / "root")])
        .stdout
    )
    assert " of 1,000 " in shown and "of ?" not in shown
    assert "Its cache holds 2,400 tokens:" in shown


def test_rest_is_estimated_from_what_is_stored(endpoint, experiment_data, tmp_path):
    experiment_data["explorer"]["model"]["price"] = {"input": 1.0, "output": 2.0}
    experiment = Experiment.model_validate(experiment_data)
    root = Store(str(tmp_path / "root"))
    [stage, _] = stages_of(experiment, root.root)
    stored = Store(str(Path(__file__).parents[1] / "data/stored/root"))
    [part] = stored.names("traces/stage=explore/recipe=bd175d01a417d29d")
    row = stored.read_part(part).slice(0, 1).to_pylist()[0] | {"started_at": 0}
    traces = [
        row
        | {"trace_id": w.trace_id, "sample_index": w.sample_index, "problem_digest": w.problem_digest}
        | {"latency_seconds": 2.0, "num_completion_tokens": 50}
        for w in plans_of(stage, load_problems(experiment.benchmark))[0].wanted
    ]
    root.open_for_writing()
    root.write_bytes(f"{traces_folder(stage.recipe)}/recipe.json", stage.recipe.content)
    root.write_part(traces_folder(stage.recipe), traces_table(traces))
    explore = check_experiment(experiment, root.root).stages["explore"]
    assert (explore.stored, explore.missing) == (4, 36)
    assert (explore.seconds_per_answer, explore.tokens_per_answer) == (2.0, 50)
    assert explore.expected_seconds == 36 * 2.0 / 16 and explore.is_usual_of_recipe
    prompts = traces[0]["num_billed_prompt_tokens"]
    assert explore.expected_dollars == pytest.approx(36 * (50 * 2.0 + prompts * 1.0) / 1e6)
    assert explore.expected_tokens_per_second == 50 * 16 / 2.0
    assert check_experiment(experiment, root.root).stages["synthesize"].expected_seconds is None
    engine = experiment_data["explorer"]["engine"] | {"concurrency": "auto"}
    longer = experiment_data["explorer"] | {"engine": engine, "sampling": {"n": 2, "max_tokens": 128}}
    other = Experiment.model_validate(experiment_data | {"explorer": longer, "synthesizer": None})
    explore = check_experiment(other, root.root).stages["explore"]
    assert (explore.stored, explore.missing, explore.is_usual_of_recipe) == (0, 20, False)
    assert explore.tokens_per_answer == 50 and explore.expected_tokens_per_second == 4 * 50 / 2.0


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [([], 0), ([(0, 2), (0, 2)], 2), ([(5, 6), (0, 2), (1, 3)], 4), ([(0, 9), (1, 2)], 9)],
)
def test_busy_seconds_are_those_in_which_anything_was_under_way(spans, seconds):
    assert busy_seconds(spans) == seconds


QWEN3_8B = {
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "head_dim": 128,
}


def test_cache_of_a_model_in_process_is_worked_out_before_it_is_loaded(
    tmp_path, monkeypatch, experiment_data
):
    (tmp_path / "config.json").write_text(json.dumps(QWEN3_8B))
    model, args = Model(id="q", params=8.2e9), {"gpu_memory_utilization": 0.92}
    assert token_bytes(QWEN3_8B, {}) == 144 * 1024
    assert token_bytes(QWEN3_8B, {"kv_cache_dtype": "fp8_e4m3"}) == 72 * 1024
    assert token_bytes({**QWEN3_8B, "kv_lora_rank": 512}, {}) is None and token_bytes({}, {}) is None
    one = cache_tokens(model, str(tmp_path), args, 80 * 2**30)
    assert one == int((80 * 2**30 * 0.92 - 3 * 2**30 - 16.4e9) / (144 * 1024))
    assert 370_000 < one < 430_000, "what docs/vllm.md says"
    two = cache_tokens(model, str(tmp_path), args | {"tensor_parallel_size": 2}, 80 * 2**30)
    assert (
        two > 2 * one
        and 0
        <= cache_tokens(model, str(tmp_path), args | {"data_parallel_size": 2}, 80 * 2**30) - 2 * one
        <= 1
    )
    assert cache_tokens(model, str(tmp_path), args | {"quantization": "fp8"}, 80 * 2**30) > one
    assert cache_tokens(model, str(tmp_path), args, None) is None
    assert cache_tokens(model, str(tmp_path / "nowhere"), args, 80 * 2**30) is None
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 81920\necho 81920\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    gpu_bytes.cache_clear()
    serve = {
        "port": 1,
        "model": str(tmp_path),
        "command": [sys.executable],
        "args": args | {"max_model_len": 40960},
    }
    engine = {"kind": "openai", "concurrency": 256, "serve": serve}
    role = {"model": {"id": "q", "params": 8.2e9}, "engine": engine, "sampling": {"max_tokens": 38912}}
    experiment = Experiment.model_validate(experiment_data | {"explorer": role, "synthesizer": None})
    report = check_experiment(experiment, str(tmp_path / "root"))
    explore = report.stages["explore"]
    assert (explore.cache, explore.is_cache_estimated) == (one, True)
    assert 9 <= explore.fits_at_once <= 11
    assert "explore: engine.concurrency is 256, but the server's cache" in "\n".join(report.complaints)
    gpu_bytes.cache_clear()


def test_presets_for_endpoints_leave_concurrency_to_the_server():
    for name in presets():
        for stage in load_experiment(name).stages:
            if isinstance(stage.role.engine, OpenAISettings):
                assert stage.role.engine.concurrency == "auto", name


def test_wrong_key_is_told_although_the_list_of_models_is_public(experiment_data, tmp_path, monkeypatch):
    with PublicList(key="right") as endpoint:
        for role in ("explorer", "synthesizer"):
            engine = experiment_data[role]["engine"]
            experiment_data[role]["engine"] = engine | {
                "base_url": endpoint.base_url,
                "api_key_env": "A2R_KEY",
            }
        experiment = Experiment.model_validate(experiment_data)
        monkeypatch.setenv("A2R_KEY", "wrong")
        with pytest.raises(UserError, match=r"refuses the API key.*check A2R_KEY"):
            check_experiment(experiment, str(tmp_path / "root"))
        monkeypatch.setenv("A2R_KEY", "right")
        endpoint.fault = lambda *_: (400, "messages is empty", {})
        check_experiment(experiment, str(tmp_path / "root"))
        assert all(body["messages"] == [] for body in endpoint.requests), "nothing was generated"


def test_names_are_in_the_order_of_their_numbers(tmp_path):
    shutil.copytree(Path(__file__).parents[1] / "data/stored/root", tmp_path / "root")
    store = Store(str(tmp_path / "root"))
    load(store)
    with connect(store) as catalog:
        query = "select name from unnest(['p10', 'p2', 'a', 'p1', 'p1-b', '2', '10']) as t(name) order by natural_order(name)"
        assert [name for (name,) in catalog.execute(query).fetchall()] == [
            "2",
            "10",
            "a",
            "p1",
            "p1-b",
            "p2",
            "p10",
        ]


def _summary(stages, metrics=()):
    counts = {"wanted": 4, "errors": 0, "blocked": 0, "truncated": 0, "tokens": 0}
    return {
        "run_id": "r",
        "status": "complete",
        "stages": {name: counts | {"generated": made, "reused": 0} for name, made in stages.items()},
        "metrics": {
            name: {"estimate": 1.0, "low": None, "high": None, "n": 4, "wanted": 4, "undecided": 0}
            for name in metrics
        },
        "cost": {},
        "verdicts": {},
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("summary", "said", "unsaid"),
    [
        (_summary({"explore": 0, "synthesize": 0}), ["nothing was stored"], ["leaderboard", "a2r show"]),
        (
            _summary({"explore": 4}, ["mean@1"]),
            ["leaderboard", "a2r show", "a2r report r"],
            ["synthesis_outcomes"],
        ),
        (
            _summary({"explore": 4, "synthesize": 4}, ["mean@1", "a2r"]),
            ["synthesis_outcomes"],
            ["nothing was stored"],
        ),
    ],
)
def test_next_steps_are_those_that_make_sense(summary, said, unsaid):
    console = Console(width=200, record=True, file=io.StringIO())
    print_summary(summary, console, "root")
    shown = console.export_text()
    assert all(text in shown for text in said) and not any(text in shown for text in unsaid)
