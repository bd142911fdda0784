"""Experiment files: presets, `base:`, overrides, relative paths, and errors that say what to do."""

import json
from pathlib import Path

import pytest
import yaml

from configs.experiment import Experiment
from configs.loading import load_experiment, presets, validated
from configs.parsing import YAMLError, read_yaml
from configs.schema import ConfigModel, UserError
from configs.training import load_training
from tasks.benchmarks.problems import load_problems


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
        (
            "explorer.engine.kind=opnai",
            ["explorer.engine.kind is 'opnai'; did you mean openai? Choose one of 'onnx',"],
        ),
        (
            "explorer.engine={kind: openai, base_url: 'http://h/v1', api_key: sk-1}",
            ["explorer.engine.api_key is hidden but is not a known setting; did you mean api_key_env?"],
        ),
        ("explorer.engine={path: x}", ["explorer.engine lacks kind; choose one of 'onnx', 'openai',"]),
        ("explorer.engine=onnx", ["explorer.engine is 'onnx'; it should be a mapping."]),
        ("benchmark={source: fiel}", ["benchmark.source is 'fiel'; did you mean file?", "'generated'"]),
        ("grader.kind=maths", ["grader.kind is 'maths'; did you mean math?", "'judge', 'function'"]),
        ("explorer.sampling=3", ["explorer.sampling is 3; it should be a mapping."]),
        ("explorer.sampling.stop=x", ["explorer.sampling.stop is 'x'; it should be a list."]),
        (
            "explorer.engine={kind: openai, base_url: 3}",
            ["explorer.engine.base_url is 3; it should be a valid string or a list."],
        ),
        ("explorer.model.price={input: 1}", ["explorer.model.price.output is missing"]),
        (
            "grader={kind: judge, model: {id: x}, engine: {kind: onnx, pth: y}}",
            ["grader.engine.pth is 'y' but is not a known setting; did you mean path?"],
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


def test_on_and_no_are_words_and_a_truth_value_still_understands_them(tmp_path):
    assert read_yaml("{on: ray, answer: no, is: true}") == {"on": "ray", "answer": "no", "is": True}
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nbase: quickstart\ngrader: {kind: exact, ignore_case: yes}\n")
    assert load_experiment(str(file)).grader.ignore_case is True


def test_key_of_a_yaml_anchor_may_be_said_again_and_no_other():
    text = "a: &a {n: 1, m: 1}\nb: &b {<<: *a, n: 2}\nc: {<<: *b, m: 3}\n"
    assert read_yaml(text)["c"] == {"n": 2, "m": 3}
    with pytest.raises(YAMLError, match="the key n is there twice"):
        read_yaml("a: {n: 1, m: {k: 1}, n: 2}")
    with pytest.raises(YAMLError, match="the key n is there twice"):
        read_yaml("a: &a {n: 1, n: 1}\nb: {<<: *a}")


def test_broken_yaml_is_told(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("a: [1")
    assert "is not valid YAML" in refused(str(file))


class Settings(ConfigModel):
    """What only its user knows of an engine."""

    size: int
    weights: dict[str, int] | None = None


def test_part_of_ones_own_is_validated_with_the_same_sentences():
    with pytest.raises(UserError) as error:
        validated(Settings, {"sizes": 3, "weights": {"a": [1]}}, "engine")
    assert set(str(error.value).splitlines()) == {
        "engine.size is missing; add it.",
        "engine.sizes is 3 but is not a known setting; did you mean size? Known: size, weights.",
        "engine.weights.a is [1]; it should be a valid integer.",
    }


def test_training_file_is_told_its_mistakes_like_an_experiment(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nfamily: sum4\nshapes: {a: {hidden_sise: 8}}\nheadline: [a]\n")
    with pytest.raises(UserError) as error:
        load_training(str(file))
    told = str(error.value).splitlines()
    assert f"{file}: family is 'sum4'; it should be 'bill' or 'sum3'." in told
    assert f"{file}: shapes.a.hidden_size is missing; add it." in told
    assert f"{file}: headline.1 is missing; add it." in told
    assert any(
        "shapes.a.hidden_sise is 8 but is not a known setting; did you mean hidden_size?" in s for s in told
    )


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
    if experiment.benchmark.source == "hf":
        assert len(experiment.benchmark.revision) == 40


@pytest.mark.parametrize("url", ["http://user:pw@host/v1", "http://host/v1?key=sk-1", "localhost:8000/v1"])
def test_address_may_hold_no_secret(url):
    with pytest.raises(UserError, match=r"explorer\.engine\.base_url") as error:
        load_experiment("aime24", [f"explorer.engine.base_url={url}"])
    assert "give http" in str(error.value) or "pw" not in str(error.value)


# --- base ---------------------------------------------------------------------------------------


FINGERPRINTS = Path(__file__).parents[1] / "data" / "presets.json"


@pytest.mark.parametrize("preset", sorted(presets()))
def test_preset_is_what_it_always_was(preset):
    """What each preset resolves to, in full: a fingerprint against silent drift.

    Presets build on one another, so one line may change several of them, and a changed sampling or prompt is another
    recipe: nothing stored is found any more. A change that is meant goes into the file too, where a reviewer sees
    every preset that it reaches.
    """
    expected = json.loads(FINGERPRINTS.read_text(encoding="utf-8"))
    assert load_experiment(preset).model_dump(mode="json") == expected[preset]


def test_no_preset_has_vanished():
    assert sorted(presets()) == sorted(json.loads(FINGERPRINTS.read_text(encoding="utf-8")))


@pytest.fixture
def files(tmp_path):
    """Write experiment files, by their names without .yaml or their paths, and give back the last one's path."""

    def write(**contents):
        for name, content in contents.items():
            file = tmp_path / f"{name.replace('__', '/')}.yaml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(file)

    return write


def test_benchmark_of_ones_own_is_one_file(files, tmp_path):
    mine = files(
        mine="""
name: mine
base: quickstart
benchmark: {source: file, path: problems.jsonl, question: problem, answer: answer, id: id}
"""
    )
    (tmp_path / "problems.jsonl").write_text('{"id": "p1", "problem": "1+1?", "answer": 2}\n')
    experiment, quickstart = load_experiment(mine), load_experiment("quickstart")
    assert [(p.problem_id, p.question, p.gold) for p in load_problems(experiment.benchmark)] == [
        ("p1", "1+1?", "2")
    ]
    assert experiment.benchmark.model_dump(exclude_defaults=True) == {
        "source": "file",
        "path": str(tmp_path / "problems.jsonl"),
        "question": "problem",
        "id": "id",
    }
    assert (experiment.name, experiment.description) == ("mine", "")
    assert (
        experiment.model_copy(
            update={name: getattr(quickstart, name) for name in ("name", "description", "benchmark")}
        )
        == quickstart
    )


def test_mappings_are_merged_and_lists_and_scalars_replaced(files):
    mine = files(
        other={
            "name": "other",
            "base": "quickstart",
            "explorer": {"sampling": {"stop": ["a", "b"], "temperature": 0.5}},
        },
        mine={
            "name": "mine",
            "base": "other.yaml",
            "explorer": {"sampling": {"stop": ["c"], "extra": {"x": {"y": None}}}},
        },
    )
    sampling = load_experiment(mine).explorer.sampling
    assert (sampling.n, sampling.temperature, sampling.stop) == (4, 0.5, ("c",))
    assert sampling.extra == {"x": {"y": None}}


def test_null_removes_what_the_base_says(files):
    mine = files(
        mine={"name": "mine", "base": "gsm8k", "synthesizer": None, "benchmark": {"answer_after": None}}
    )
    experiment = load_experiment(mine)
    assert experiment.synthesizer is None and experiment.benchmark.answer_after is None
    assert experiment.benchmark.config == "main"


def test_another_engine_model_or_benchmark_inherits_nothing_of_the_first(files):
    mine = files(
        mine={
            "name": "mine",
            "base": "a2r",
            "benchmark": {"source": "generated"},
            "explorer": {
                "model": {"id": "other"},
                "engine": {"kind": "openai", "base_url": "http://localhost:1/v1"},
            },
            "synthesizer": {"engine": {"kind": "vllm", "args": {"dtype": "bfloat16"}}},
        }
    )
    experiment, a2r = load_experiment(mine), load_experiment("a2r")
    assert (experiment.explorer.model.params, experiment.explorer.model.price) == (None, None)
    assert experiment.explorer.sampling == a2r.explorer.sampling
    assert experiment.benchmark.count == 200
    assert experiment.synthesizer.model == a2r.synthesizer.model
    assert experiment.synthesizer.engine.args == a2r.synthesizer.engine.args | {"dtype": "bfloat16"}


def test_overrides_apply_last(files):
    mine = files(mine={"name": "mine", "base": "quickstart", "explorer": {"sampling": {"n": 8}}})
    assert load_experiment(mine).explorer.sampling.n == 8
    assert load_experiment(mine, ["explorer.sampling.n=5"]).explorer.sampling.n == 5


def test_relative_paths_stay_relative_to_the_file_that_names_them(files, tmp_path):
    mine = files(
        shared__common={
            "name": "common",
            "benchmark": {"source": "file", "path": "problems.jsonl"},
            "explorer": {
                "model": {"id": "m"},
                "engine": {"kind": "replay", "path": "recorded.jsonl"},
                "prompt": "theirs.jinja",
            },
            "grader": {"kind": "function", "function": "theirs:right"},
        },
        mine={"name": "mine", "base": "./shared/common.yaml", "explorer": {"engine": {"path": "mine.jsonl"}}},
    )
    experiment = load_experiment(mine, ["explorer.prompt=mine.jinja"])
    assert experiment.benchmark.path == str(tmp_path / "shared" / "problems.jsonl")
    assert experiment.explorer.engine.path == str(tmp_path / "mine.jsonl")
    assert experiment.explorer.prompt == str(tmp_path / "mine.jinja")
    assert experiment.grader.path == str(tmp_path / "shared")


def test_name_is_every_files_own(files):
    assert "mine.yaml: name is missing; add it." in refused(files(mine="base: quickstart\n"))


@pytest.mark.parametrize(
    ("base", "said"),
    [
        (
            "quickstrat",
            "mine.yaml: base: quickstrat is not a preset; did you mean quickstart? There are: a2r,",
        ),
        ("nowhere.yaml", "mine.yaml: base: nowhere.yaml does not exist; give the path of an experiment file"),
        ("3", "mine.yaml: base is 3; give the name of a preset or the path of an experiment file."),
        ("mine.yaml", "base is mine.yaml, which builds on itself (mine.yaml → mine.yaml); remove one base."),
    ],
)
def test_wrong_base_is_told_in_one_sentence(files, base, said):
    message = refused(files(mine=f"name: x\nbase: {base}\n"))
    assert said in message
    assert len(message.splitlines()) == 1


def test_circle_of_bases_is_told(files):
    mine = files(
        one="name: one\nbase: two.yaml\n", two="name: two\nbase: ./one.yaml\n", mine="base: one.yaml\n"
    )
    message = refused(mine)
    assert "two.yaml: base is ./one.yaml, which builds on itself (one.yaml → two.yaml → one.yaml)" in message


def test_error_names_the_file_that_is_wrong(files, tmp_path):
    mine = files(
        common="name: common\nbase: quickstart\nexplorer: {sampling: {n: [8]}}\n",
        mine="name: mine\nbase: common.yaml\nsynthesizer: {sampling: {seed: -1}}\n",
    )
    assert set(refused(mine).splitlines()) == {
        f"{tmp_path}/common.yaml: explorer.sampling.n is [8]; it should be a valid integer.",
        f"{tmp_path}/mine.yaml: synthesizer.sampling.seed is -1; it should be greater than or equal to 0.",
    }


def test_misspelled_base_is_told(files):
    assert "bsae is 'quickstart' but is not a known setting; did you mean base?" in refused(
        files(mine="name: x\nbsae: quickstart\n")
    )
    assert "a base is not a setting" in refused("quickstart", "base=a2r")
