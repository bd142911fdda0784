"""The command line and environment of a managed server, checked before anything is started."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from configs.engines import Serve
from configs.models import Model
from tasks.engines.protocol import EngineError
from tasks.engines.weights import hub_revision, shipped_or_hub

LOOPBACK = "127.0.0.1"


def command_of(model: Model, serve: Serve) -> list[str]:
    """What is started. Raises EngineError where the program or the model's folder is missing.

    The role's revision is passed on, so that the weights are those that the traces name.
    """
    program, *rest = serve.command
    found = shutil.which(str(Path(program).expanduser()))
    if found is None:
        raise EngineError(
            f"engine.serve.command is {' '.join(serve.command)}, but there is no program {program}. Install vLLM, best "
            "in an environment of its own (`uv venv ~/vllm && uv pip install --python ~/vllm/bin/python vllm`), "
            "and set engine.serve.command to [~/vllm/bin/vllm, serve]."
        )
    weights = weights_of(model, serve)
    # `vllm serve` takes the model by its place; the module behind it, and other servers, by --model
    named = [weights] if serve.command[-1] == "serve" else ["--model", weights]
    options = {"host": LOOPBACK, "port": serve.port, "served_model_name": model.id}
    if not Path(weights).is_dir() and (revision := hub_revision(model)):
        options |= {"revision": revision, "tokenizer_revision": revision}
    flags = [flag for name, value in (options | serve.args).items() for flag in _flags(name, value)]
    return [found, *rest, *named, *flags]


def environment_of(serve: Serve, key: str) -> dict[str, str]:
    """What the server sees of the environment: all of ours, its GPUs, and the key where there is one."""
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_HOST_IP": LOOPBACK}
    environment = quiet | dict(os.environ) | serve.environment
    if serve.gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, serve.gpus))
    if key:
        environment["VLLM_API_KEY"] = key
    return environment


def weights_of(model: Model, serve: Serve) -> str:
    """The folder or hub id that is loaded. Raises EngineError for a folder that is not there."""
    name = serve.model or model.id
    if not name.startswith(("/", ".", "~")):
        return shipped_or_hub(name)
    folder = Path(name).expanduser().absolute()
    if not (folder / "config.json").is_file():
        raise EngineError(
            f"engine.serve.model is {name}, but {folder} holds no config.json; name a model's folder."
        )
    return str(folder)


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Values that look like secrets by their variables' names; they are struck from what is shown of a log."""
    marks = {"KEY", "TOKEN", "SECRET", "PASSWORD"}
    return [value for name, value in environment.items() if len(value) > 5 and marks & set(name.split("_"))]  # noqa: PLR2004


def _flags(name: str, value: object) -> list[str]:
    flag = "--" + name.lstrip("-").replace("_", "-")
    match value:
        case None:
            return []
        case True:
            return [flag]
        case False:
            return [f"--no-{flag[2:]}"]
        case dict():
            return [flag, json.dumps(value)]
        case list():
            return [flag, *map(str, value)]
        case _:
            return [flag, str(value)]
