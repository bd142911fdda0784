"""vLLM's own settings: which names it knows, what it is started with, and what of it is another model.

The names are read from vLLM's source: importing it takes ten seconds and more, and a misspelt setting
of the second role must not come to light only after the first has run for hours.
"""

import ast
import difflib
import hashlib
import importlib.util
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import JsonValue

from configs.engines import VllmSettings
from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.protocol import EngineAbsent, EngineError
from tasks.engines.weights import hub_revision, positions, shipped_or_hub
from warehouse.canonical import canonical_json

NUM_SEQUENCES = 256
"""`max_num_seqs` where the experiment leaves it out; vLLM's own default depends on the accelerator."""
_OTHER_MODEL = (
    "quantization",
    "quantization_config",
    "kv_cache_dtype",
    "hf_overrides",
    "generation_config",
    "override_generation_config",
    "logits_processors",
    "watermark_config",
)
_SAMPLING = ("top_p", "top_k", "min_p", "presence_penalty", "repetition_penalty")
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf", "*.json", "*.jinja", "*.model")


def location_of(model: Model, settings: VllmSettings) -> str:
    """Where the weights are: `engine.path`, a shipped model's folder, or the hub id. Raises EngineError."""
    if settings.path is None:
        return shipped_or_hub(model.id)
    folder = Path(settings.path)
    if not (folder / "config.json").is_file():
        raise EngineError(
            f"engine.path is {folder}, which holds no config.json; give a folder with a Hugging Face checkpoint, or "
            "leave it out to load model.id from the hub."
        )
    return str(folder)


def pinned_revision(model: Model, location: str, args: Mapping[str, JsonValue]) -> str | None:
    """The revision that identifies the weights at `location` as vLLM runs them with these settings.

    A folder without a revision by hand is identified by the digest of its files (about a second a
    gigabyte, once a process). Settings that make another model of the same weights, such as
    quantization, are appended: `main+quantization=fp8` is not `main`. Precision (`dtype`), parallelism,
    batching and caching are no part of it: they round differently, as another engine or accelerator does.
    """
    revision = model.revision or (_digest(Path(location)) if Path(location).is_dir() else None)
    changes = {name: args[name] for name in _OTHER_MODEL if name in args}
    if args.get("load_format") == "dummy":
        changes["load_format"] = "dummy"
    for name, value in sorted(changes.items()):
        text = value if isinstance(value, str) else canonical_json(value).decode()
        revision = f"{revision or ''}+{name}={text}"
    return revision


def context_of(model: Model, location: str, args: Mapping[str, JsonValue]) -> int | None:
    """Tokens of the longest prompt and completion together: as vLLM is told, else as the model was made."""
    told = args.get("max_model_len")
    return told if isinstance(told, int) and told > 0 else positions(location, model)


def check_arguments(settings: VllmSettings) -> None:
    """Raise EngineAbsent where vLLM is not installed, EngineError where it does not know a setting's name."""
    known = _known_arguments()
    for name in settings.args:
        if name not in known:
            raise EngineError(f"engine.args.{name} is not a setting of vLLM; {_hint(name, known)}")


def engine_arguments(model: Model, settings: VllmSettings) -> dict[str, JsonValue]:
    """Everything that vLLM is started with."""
    location = location_of(model, settings)
    ours: dict[str, JsonValue] = {"max_num_seqs": NUM_SEQUENCES, "seed": 0, "disable_log_stats": True}
    if not Path(location).is_dir() and (revision := hub_revision(model)):
        ours |= {"revision": revision, "tokenizer_revision": revision}
    return ours | dict(settings.args) | {"model": location}


def sampling_arguments(
    sampling: Sampling, defaults: Mapping[str, JsonValue], known: Collection[str]
) -> dict[str, JsonValue]:
    """Settings of vLLM's `SamplingParams` for one request, seed and output form left out.

    What the experiment leaves out is the model's own recommendation (`generation_config.json`), as
    with `vllm serve`. Raises EngineError for a setting in `extra` that vLLM does not know.
    """
    extra = {name: value for name, value in sampling.extra.items() if name != "chat_template_kwargs"}
    for name in extra:
        if name not in known:
            raise EngineError(
                f"sampling.extra.{name} is not a sampling setting of vLLM; {_hint(name, known)}"
            )
    given: dict[str, JsonValue] = {
        name: value for name in _SAMPLING if (value := getattr(sampling, name)) is not None
    }
    stop: dict[str, JsonValue] = {"stop": list(sampling.stop)} if sampling.stop else {}
    fixed: dict[str, JsonValue] = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
    return {**defaults, **given, **stop, **fixed, **extra}


def template_arguments(sampling: Sampling) -> dict[str, JsonValue]:
    """What the chat template is given beside the messages."""
    told = {name: getattr(sampling, name) for name in ("enable_thinking", "reasoning_effort")}
    thinking = {name: value for name, value in told.items() if value is not None}
    further = sampling.extra.get("chat_template_kwargs") or {}
    return thinking | (dict(further) if isinstance(further, Mapping) else {})


@lru_cache(maxsize=1)
def _known_arguments() -> frozenset[str]:
    found = importlib.util.find_spec("vllm")
    for folder in (found.submodule_search_locations or ()) if found else ():
        source = Path(folder) / "engine" / "arg_utils.py"
        if source.is_file():
            return frozenset(_fields(ast.parse(source.read_text(encoding="utf-8"))))
    raise EngineAbsent(
        "engine.kind is vllm, but vLLM is not installed here; install it beside this package with "
        "`pip install --require-hashes -r requirements-vllm.lock`, or start `vllm serve` from an environment of its "
        "own and use engine.kind openai."
    )


def _fields(source: ast.Module) -> Iterator[str]:
    """Fields of the classes `EngineArgs` and `AsyncEngineArgs`, private ones left out."""
    for form in source.body:
        if isinstance(form, ast.ClassDef) and form.name in {"EngineArgs", "AsyncEngineArgs"}:
            for line in form.body:
                match line:
                    case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                        yield name


def _hint(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name.strip("-").replace("-", "_"), known, n=1)
    return f"did you mean {close[0]}?" if close else "see `vllm serve --help=all`, dashes as underscores."


@lru_cache(maxsize=32)
def _digest(folder: Path) -> str:
    """Identity of a checkpoint's folder by the bytes of its files, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _WEIGHTS for file in folder.glob(pattern)}):
        with file.open("rb") as opened:
            digest.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]
