"""vLLM's settings before vLLM is loaded: unknown names, a missing installation, identity."""

import sys

import pytest

from configs.engines import Serve, VllmSettings
from configs.experiment import Experiment
from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.protocol import EngineError
from tasks.engines.server.command import command_of
from tasks.engines.vllm import arguments as vllm_arguments
from tasks.engines.vllm.arguments import (
    check_arguments,
    engine_arguments,
    location_of,
    pinned_revision,
    sampling_arguments,
    template_arguments,
)
from tasks.engines.weights import MODELS, hub_revision
from tasks.run import stages_of

SOURCE = """
class Other:
    unrelated: int = 1

class EngineArgs:
    model: str = "m"
    max_model_len: int | None = None
    _private: int = 0

class AsyncEngineArgs(EngineArgs):
    enable_log_requests: bool = False
"""


def revision(model, engine):
    return pinned_revision(model, location_of(model, engine), engine.args)


@pytest.fixture
def vllm_source(tmp_path, monkeypatch):
    """A folder named vllm whose settings are read, as an installed one's would be."""
    folder = tmp_path / "vllm" / "engine"
    folder.mkdir(parents=True)
    (tmp_path / "vllm" / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "arg_utils.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    vllm_arguments._known_arguments.cache_clear()
    yield
    vllm_arguments._known_arguments.cache_clear()


def settings(**args):
    return VllmSettings(kind="vllm", args=args)


def test_unknown_argument_is_told_with_the_closest(vllm_source):
    check_arguments(settings(max_model_len=512, enable_log_requests=True))
    with pytest.raises(
        EngineError, match=r"max_model_length is not a setting .* did you mean max_model_len\?"
    ):
        check_arguments(settings(max_model_length=512))
    with pytest.raises(
        EngineError, match=r"--max-model-len is not a setting .* did you mean max_model_len\?"
    ):
        check_arguments(settings(**{"--max-model-len": 512}))
    with pytest.raises(EngineError, match=r"_private is not a setting"):
        check_arguments(settings(_private=1))


def test_missing_vllm_is_told_how_to_install(monkeypatch):
    vllm_arguments._known_arguments.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"not installed here; .*requirements-vllm\.lock"):
        check_arguments(settings())
    vllm_arguments._known_arguments.cache_clear()


def test_quantised_weights_are_another_revision_and_precision_is_not():
    pinned, engine = Model(id="org/model", revision="abc"), settings(dtype="float16", max_model_len=8)
    assert revision(pinned, engine) == "abc"
    assert revision(Model(id="org/model"), settings()) is None
    assert revision(pinned, settings(quantization="fp8")) == "abc+quantization=fp8"
    both = settings(kv_cache_dtype="fp8", hf_overrides={"b": 1, "a": 2})
    assert revision(pinned, both) == 'abc+hf_overrides={"a":2,"b":1}+kv_cache_dtype=fp8'
    renamed = Model(id="org/model", revision=revision(pinned, both))
    assert hub_revision(renamed) == "abc"
    assert engine_arguments(renamed, both)["revision"] == "abc"


def test_folder_is_identified_by_its_bytes(tmp_path):
    for file in (MODELS / "a2r-sum3-explorer").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    shipped = revision(Model(id="a2r-sum3-explorer"), settings())
    here = VllmSettings(kind="vllm", path=str(tmp_path))
    assert revision(Model(id="x"), here) == shipped
    vllm_arguments._digest.cache_clear()
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert revision(Model(id="x"), here) != shipped
    with pytest.raises(EngineError, match=r"holds no config\.json"):
        revision(Model(id="x"), VllmSettings(kind="vllm", path=str(tmp_path / "no")))


def test_served_weights_are_the_same_model_as_in_process(tmp_path):
    def role(**engine):
        explorer = {"model": {"id": "a2r-sum3-explorer"}, "engine": engine, "prompt": "explore-small"}
        form = {"name": "x", "benchmark": {"source": "generated", "count": 1}, "explorer": explorer}
        return stages_of(Experiment.model_validate(form), str(tmp_path))[0]

    serve = {"port": 8001, "command": [sys.executable, "serve"]}
    served = role(kind="openai", serve=serve | {"args": {"--kv-cache-dtype": "fp8", "max-model-len": 8}})
    in_process = role(kind="vllm", args={"kv_cache_dtype": "fp8"})
    assert served.model == in_process.model
    assert served.model.revision.endswith("+kv_cache_dtype=fp8") and len(served.model.revision) > 30
    assert served.recipe == in_process.recipe
    elsewhere = role(kind="openai", base_url="http://127.0.0.1:8001/v1")
    assert elsewhere.model.revision is None, "what an endpoint serves is not known here"


def test_served_hub_model_is_downloaded_by_its_own_revision():
    model = Model(id="org/model", revision="abc+quantization=fp8")
    command = command_of(model, Serve(port=8001, command=(sys.executable, "serve")))
    assert command[command.index("--revision") + 1] == "abc"


def test_sampling_goes_over_the_models_recommendation():
    sampling = Sampling(temperature=0.7, top_k=5, stop=("END",), max_tokens=9, extra={"min_tokens": 3})
    known = {"min_tokens", "temperature"}
    made = sampling_arguments(sampling, {"temperature": 0.1, "top_k": 20, "top_p": 0.95}, known)
    assert made == {
        "temperature": 0.7,
        "top_k": 5,
        "top_p": 0.95,
        "stop": ["END"],
        "max_tokens": 9,
        "min_tokens": 3,
    }
    with pytest.raises(EngineError, match=r"sampling.extra.min_token is not a .* did you mean min_tokens"):
        sampling_arguments(Sampling(extra={"min_token": 3}), {}, known)


def test_thinking_and_template_settings_reach_the_template():
    sampling = Sampling(enable_thinking=False, extra={"chat_template_kwargs": {"budget": 5}})
    assert template_arguments(sampling) == {"enable_thinking": False, "budget": 5}
    assert template_arguments(Sampling()) == {}
