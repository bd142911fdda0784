"""What can be added from outside, each by its recipe in a throw-away folder: one module, one name in a YAML file."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from configs.experiment import Experiment
from configs.loading import load_experiment
from configs.schema import UserError
from tasks.engines.onnx.kind import ONNX
from tasks.engines.protocol import EngineKind
from tasks.engines.resolving import resolved
from tasks.run import stages_of

A2R = str(Path(sys.executable).with_name("a2r"))

ENGINE = '''
"""An engine that works sums out."""

import re
from datetime import UTC, datetime

from pydantic import Field

from configs.schema import ConfigModel
from tasks.engines.protocol import (
    Completion, EngineError, EngineKind, always_quick, by_settings, claims_nothing, no_context_setting, unknown_context,
)


class Sums(ConfigModel):
    """Its settings in the experiment file."""

    parallel: int = Field(default=8, ge=1)
    mistakes: bool = False


class SumEngine:
    """Adds the numbers of a question; every fourth sample is wrong where mistakes are wanted."""

    def __init__(self, model, settings):
        self.concurrency, self.group, self._settings = settings.parallel, 2, settings

    async def start(self):
        pass

    async def complete(self, request, deliver):
        total = sum(map(int, re.findall(r"[0-9]+", request.question)))
        for place, (index, seed) in enumerate(zip(request.sample_indexes, request.seeds, strict=True)):
            off = self._settings.mistakes and index % 4 == 3
            deliver(place, Completion(
                reasoning=None,
                answer=f"\\\\boxed{{{total + off}}}",
                finish_reason="stop",
                seed=seed,
                choice_index=0,
                num_prompt_tokens=None,
                num_billed_prompt_tokens=None,
                num_completion_tokens=None,
                started_at=datetime.now(UTC),
                latency_seconds=0.0,
                num_tries=1,
            ))

    async def close(self):
        return ()


def check(model, settings):
    if model.id != "adder":
        raise EngineError(f"model.id is {model.id}; this engine is an adder.")


MY_KIND = EngineKind(
    settings=Sums,
    build=SumEngine,
    check=check,
    starts_quickly=always_quick,
    identify=lambda model, settings: model.revision or f"mistakes={settings.mistakes}",
    weights=lambda model, settings: model.id,
    context=unknown_context,
    context_setting=no_context_setting,
    largest_shard=lambda settings: 64,
    claims=claims_nothing,
    process=by_settings,
)
'''


@pytest.fixture
def folder(tmp_path, benchmark_file, request):
    """A user's folder: a module, of another name in each test, and an experiment file that names it."""
    module = f"my_engines_{request.node.name}"
    (tmp_path / f"{module}.py").write_text(ENGINE)
    role = {"model": {"id": "adder"}, "engine": {"kind": f"{module}:MY_KIND", "mistakes": True}}
    experiment = {
        "name": "adding",
        "benchmark": {"source": "file", "path": benchmark_file.name, "question": "problem", "id": "id"},
        "explorer": role | {"sampling": {"n": 4}},
        "synthesizer": role | {"sampling": {"n": 1}, "references": {"count": 4}},
        "grader": {"kind": "exact"},
    }
    (tmp_path / "adding.yaml").write_text(yaml.safe_dump(experiment))
    return tmp_path


def test_an_engine_of_ones_own(folder, prefect):
    from flows.evaluate import evaluate

    experiment = load_experiment(str(folder / "adding.yaml"))
    root = str(folder / "root")
    summary = evaluate(experiment, root)
    assert summary["status"] == "complete"
    assert {stage: counts["generated"] for stage, counts in summary["stages"].items()} == {
        "explore": 40,
        "synthesize": 10,
    }
    assert summary["metrics"]["mean@1"]["estimate"] == pytest.approx(0.75)
    assert summary["metrics"]["a2r"]["estimate"] == 1.0

    [manifest] = [json.loads(path.read_bytes()) for path in (folder / "root" / "runs").glob("*.json")]
    assert manifest["explorer"]["engine"] == experiment.explorer.engine.kind
    assert manifest["explorer"]["revision"] == "mistakes=True"
    stored = Experiment.model_validate(manifest["config"])
    assert stored == experiment, "a run's record says how to run it again, from anywhere"

    changed = load_experiment(str(folder / "adding.yaml"), ["explorer.engine.parallel=2"])
    again = evaluate(Experiment.model_validate_json(changed.model_dump_json()), root)
    assert {stage: counts["generated"] for stage, counts in again["stages"].items()} == {
        "explore": 0,
        "synthesize": 0,
    }, "an engine's settings are not identity"
    other = load_experiment(
        str(folder / "adding.yaml"), ["explorer.engine.mistakes=false", "synthesizer=null"]
    )
    assert evaluate(other, root)["stages"]["explore"]["generated"] == 40, "what it identifies by is"


def test_an_engine_of_ones_own_is_checked_from_anywhere(folder, tmp_path_factory):
    command = [A2R, "check", str(folder / "adding.yaml"), "--json", "--root", str(folder / "root")]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    report = json.loads(subprocess.check_output(command, cwd=elsewhere))
    explore = report["stages"]["explore"]
    assert (explore["is_started"], explore["missing"], explore["context"]["room"]) == (True, 40, None)
    refused = subprocess.run(
        [*command, "--set", "explorer.model.id=multiplier"],
        check=False,
        cwd=elsewhere,
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2 and "this engine is an adder" in refused.stderr


def test_an_engine_of_ones_own_travels_with_its_stage(folder):
    from prefect.utilities.callables import parameter_schema
    from prefect.utilities.schema_tools.validation import validate

    from flows.evaluate import evaluate
    from tasks.ops.run_forms import fillable

    experiment = load_experiment(str(folder / "adding.yaml"))
    form = parameter_schema(evaluate).model_dump()
    filled_in = {"experiment": experiment.model_dump(mode="json"), "root": str(folder / "root")}
    assert validate(filled_in, form) == validate(filled_in, fillable(form)) == []
    stage = stages_of(experiment, str(folder / "root"))[0]
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert stage.shard_for(100_000) == 64, "as its kind says"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder whose module many tests may import."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "my_engines_shared.py").write_text(ENGINE)
    return folder


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"mistaks": True}, "engine.mistaks is True but is not a known setting; did you mean mistakes?"),
        ({"parallel": 0}, "engine.parallel is 0; it should be greater than or equal to 1"),
        ({"kind": "nowhere_at_all:MY_KIND"}, "no such module in"),
        ({"kind": "{module}:YOUR_KIND"}, "has no such name; define YOUR_KIND = EngineKind("),
        ({"kind": "{module}:Sums"}, "there; define Sums = EngineKind("),
        ({"kind": "{module}:"}, "engine.kind is '{module}:'; it should match"),
        ({"kind": "json:MY_KIND", "import_from": None}, "has no such name"),
    ],
)
def test_a_wrong_engine_of_ones_own_is_told_with_the_remedy(shared, engine, said):
    module = "my_engines_shared"
    data = {
        "name": "wrong",
        "benchmark": {"source": "file", "path": "problems.jsonl"},
        "explorer": {"model": {"id": "adder"}, "engine": {"kind": f"{module}:MY_KIND"} | engine},
    }
    (shared / "wrong.yaml").write_text(json.dumps(data).replace("{module}", module))
    with pytest.raises(UserError) as error:
        stages_of(load_experiment(str(shared / "wrong.yaml")), str(shared / "root"))
    assert said.replace("{module}", module) in str(error.value)


def test_two_modules_of_one_name_are_told_apart(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "my_engines_of_one_name.py").write_text(ENGINE)
    engines = [
        load_experiment(
            "quickstart",
            [f"explorer.engine={{kind: 'my_engines_of_one_name:MY_KIND', import_from: {tmp_path / name}}}"],
        ).explorer.engine
        for name in ("one", "two")
    ]
    resolved(engines[0])
    with pytest.raises(UserError, match=r"has imported another my_engines_of_one_name from .*one"):
        resolved(engines[1])


def test_a_kind_that_leaves_something_out_is_a_type_error():
    with pytest.raises(TypeError, match="claims"):
        EngineKind(**{name: getattr(ONNX, name) for name in EngineKind.__slots__ if name != "claims"})
