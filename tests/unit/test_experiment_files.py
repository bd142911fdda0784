"""Experiment files: presets, overrides, anchoring, and errors that say what to do."""

import pytest
import yaml

from configs.experiment import Experiment
from configs.loading import load_experiment, presets
from configs.schema import UserError


def refused(config, *overrides):
    with pytest.raises(UserError) as error:
        load_experiment(config, overrides)
    return str(error.value)


def test_every_preset_is_valid_and_described():
    assert "quickstart" in presets()
    for name, description in presets().items():
        experiment = load_experiment(name)
        assert isinstance(experiment, Experiment)
        assert description


def test_override_sets_a_nested_value():
    assert load_experiment("quickstart", ["explorer.sampling.n=8"]).explorer.sampling.n == 8


def test_override_removes_the_synthesizer():
    assert load_experiment("quickstart", ["synthesizer=null"]).synthesizer is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "explorer.sampling.temprature=1",
            ["explorer.sampling.temprature is 1", "did you mean temperature?"],
        ),
        (
            "synthesizer.references.count=9",
            ["synthesizer.references.count is 9", "explorer.sampling.n is 4", "raise"],
        ),
        ("explorer.engine.kind=foo", ["explorer.engine.kind is 'foo'", "'onnx', 'openai', 'vllm', 'replay'"]),
        (
            "explorer.engine={kind: openai}",
            ["explorer.engine has neither base_url nor serve", "{port: 8001}"],
        ),
        (
            "explorer.engine={kind: openai, serve: {port: 8001}, base_url: 'http://h/v1'}",
            ["explorer.engine has base_url and serve", "leave one of them out"],
        ),
        (
            "explorer.engine={kind: openai, serve: {port: 8001, args: {host: 0.0.0.0}}}",
            ["explorer.engine.serve.args holds host", "127.0.0.1"],
        ),
        (
            "explorer.engine={kind: openai, serve: {port: 8001, args: {--api-key: sk-1}}}",
            ["explorer.engine.serve.args holds api_key", "engine.api_key_env"],
        ),
        (
            "explorer.engine={kind: openai, serve: {port: 8001, environment: {HF_TOKEN: x}}}",
            ["explorer.engine.serve.environment holds HF_TOKEN", "export it"],
        ),
        ("benchmark.count=0", ["benchmark.count is 0", "greater than or equal to 1"]),
        ("benchmark.cuont=3", ["benchmark.cuont", "did you mean count?"]),
        ("explorer.sampling.n=abc", ["explorer.sampling.n is 'abc'", "valid integer"]),
        ("explorer", ["--set explorer is not key=value"]),
        ("name.x=1", ["--set name.x=1", "name is 'quickstart'"]),
    ],
)
def test_wrong_setting_is_named_with_value_and_remedy(override, said):
    message = refused("quickstart", override)
    for part in said:
        assert part in message


def test_error_names_the_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("name: x\nbenchmark: {source: file, path: p.jsonl}\n")
    message = refused(str(file))
    assert f"{file}: explorer is missing" in message


def test_every_wrong_field_is_told_at_once(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("name: x\nbenchmark: {source: file}\nexplorer: {model: {}, engine: {kind: onnx}}\n")
    assert len(refused(str(file)).splitlines()) == 2


def test_broken_yaml_is_told(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("a: [1")
    assert "is not valid YAML" in refused(str(file))


def test_unknown_preset_is_told_with_the_nearest():
    assert "did you mean quickstart?" in refused("quickstrat")


def test_missing_file_is_told():
    assert "nowhere.yaml does not exist" in refused("nowhere.yaml")


def test_relative_paths_are_those_of_the_file(tmp_path):
    form = {
        "name": "x",
        "benchmark": {"source": "file", "path": "problems.jsonl"},
        "explorer": {
            "model": {"id": "m"},
            "engine": {"kind": "replay", "path": "recorded.jsonl"},
            "prompt": "mine.jinja",
        },
    }
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(form))
    experiment = load_experiment(str(file))
    assert experiment.benchmark.path == str(tmp_path / "problems.jsonl")
    assert experiment.explorer.engine.path == str(tmp_path / "recorded.jsonl")
    assert experiment.explorer.prompt == str(tmp_path / "mine.jinja")


def test_experiment_is_frozen():
    experiment = load_experiment("quickstart")
    with pytest.raises(ValueError, match="frozen"):
        experiment.name = "other"


@pytest.mark.parametrize("preset", sorted(presets()))
def test_every_preset_is_valid_and_pinned(preset):
    experiment = load_experiment(preset)
    if experiment.benchmark.source == "hf" and preset != "beyond-aime":
        assert len(experiment.benchmark.revision) == 40


@pytest.mark.parametrize("url", ["http://user:pw@host/v1", "http://host/v1?key=sk-1", "localhost:8000/v1"])
def test_address_may_hold_no_secret(url):
    with pytest.raises(UserError, match=r"explorer\.engine\.base_url") as error:
        load_experiment("aime24", [f"explorer.engine.base_url={url}"])
    assert "give http" in str(error.value) or "pw" not in str(error.value)
