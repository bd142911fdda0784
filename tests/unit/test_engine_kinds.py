"""The kinds of engines: all are listed, none is loaded before it is used, and who must take turns on what."""

import subprocess
import sys
from typing import get_args

import pytest
from pydantic import TypeAdapter

from configs.engines import CUSTOM, KINDS, EngineSettings
from tasks.engines.address import kind_at
from tasks.engines.resolving import is_same_process, resolved, share_hardware


def engine(**settings):
    return TypeAdapter(EngineSettings).validate_python(settings)


def served(port=8001, **settings):
    serve = {"port": port, **{name: settings.pop(name) for name in ("gpus", "model") if name in settings}}
    return engine(kind="openai", serve=serve, **settings)


def test_every_kind_that_a_file_may_name_is_there_with_its_settings():
    union, _ = get_args(EngineSettings)
    forms = {tag.tag: form for form, tag in map(get_args, get_args(union))}
    forms.pop(CUSTOM)
    assert forms == {name: kind_at(address).settings for name, address in KINDS.items()}
    assert all(form.model_fields["kind"].annotation.__args__ == (name,) for name, form in forms.items())


def test_kinds_load_nothing_that_only_one_of_them_needs():
    heavy = {"vllm", "torch", "onnxruntime", "aiohttp", "pyarrow", "huggingface_hub"}
    script = f"import sys, tasks.engines.resolving; print(*{heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).split() == []


VLLM = engine(kind="vllm")
ENDPOINT = engine(kind="openai", base_url="http://127.0.0.1:8001/v1")
ONNX = engine(kind="onnx")


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        (VLLM, VLLM, True),
        (VLLM, served(gpus=[0]), True),
        (VLLM, served(gpus=[]), False),
        (VLLM, ENDPOINT, False),
        (VLLM, ONNX, False),
        (ENDPOINT, ENDPOINT, False),
        (served(8001, gpus=[0]), served(8002, gpus=[0, 1]), True),
        (served(8001, gpus=[0]), served(8002, gpus=[1]), False),
        (served(8001, gpus=[0]), served(8001, gpus=[1]), True),
        (served(8001, gpus=[]), served(8002, gpus=[]), False),
        (served(8001), served(8002, gpus=["MIG-1"]), True),
    ],
)
def test_engines_that_want_the_same_accelerator_or_port_share_it(one, other, is_shared):
    assert share_hardware(one, other) is share_hardware(other, one) is is_shared


def test_one_server_is_one_process_however_it_is_asked():
    assert is_same_process(served(concurrency=8), served(concurrency=64))
    assert not is_same_process(served(8001), served(8002))
    assert is_same_process(VLLM, engine(kind="vllm"))
    assert not is_same_process(VLLM, engine(kind="vllm", concurrency=8))
    assert not is_same_process(VLLM, served())


def test_a_kind_answers_for_its_own_settings():
    kind, settings = resolved(served(concurrency=100))
    assert kind is kind_at(KINDS["openai"]) and kind.largest_shard(settings) == 1600
    assert not kind.starts_quickly(settings) and kind.starts_quickly(ENDPOINT)
    assert kind.context_setting(settings) == "serve.args.max_model_len"
    assert kind.context_setting(ENDPOINT) is None
