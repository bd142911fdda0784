# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""Everything that imports vLLM: from its settings to a running engine, and its errors as ours."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from tasks.engines.protocol import EngineError

ENVIRONMENT = {
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout belongs to `a2r run --json`
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork of a process with threads may hang
}
"""Set before vLLM is imported, where the user has not."""
OURS = frozenset({"n", "seed", "output_kind", "skip_clone", "stream_interval", "detokenize", "logprobs"})
"""Settings of a request that the engine decides."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A running engine and what of vLLM a request needs."""

    engine: Any
    """vLLM's `AsyncLLM`."""
    tokenizer: Any
    params: Callable[..., Any]
    """`SamplingParams` that return the whole output at its end, from keyword arguments."""
    param_names: frozenset[str]
    """What `sampling.extra` may hold."""
    as_prompt: Callable[[list[int]], Any]
    dead: type[Exception]
    """Raised by every request once the engine has died."""
    refused: tuple[type[Exception], ...]
    broken: type[Exception]
    room: int
    """Longest prompt and completion together, in tokens."""
    defaults: dict[str, JsonValue]
    """Sampling that the model's makers recommend (generation_config.json)."""


def prepare() -> None:
    """Import vLLM, which takes ten seconds and more. Raises EngineError.

    Apart from `load`: an import of vLLM's keeps the frames that it was called from alive, and the engine
    with them, whose finaliser then fails aloud at the interpreter's end.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from vllm import SamplingParams  # noqa: F401, PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: F401, PLC0415
    except ImportError as error:
        raise EngineError(f"vLLM cannot be imported: {_told(error)} See docs/vllm.md.") from error


def load(arguments: dict[str, JsonValue], is_wanted: Callable[[], bool]) -> Loaded:
    """Check the settings' values, load the model if it is wanted still. Raises EngineError."""
    try:
        from vllm import SamplingParams  # noqa: PLC0415 - an extra, and ten seconds to import
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415
        from vllm.exceptions import VLLMClientError  # noqa: PLC0415
        from vllm.inputs.engine import tokens_input  # noqa: PLC0415
        from vllm.platforms import current_platform  # noqa: PLC0415
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415
        from vllm.usage.usage_lib import UsageContext  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError  # noqa: PLC0415
    except ImportError as error:
        raise EngineError(f"vLLM cannot be imported: {_told(error)} See docs/vllm.md.") from error
    if current_platform.is_cpu():
        # A CPU's random generator cannot be set back, which vLLM does behind each piece of a prompt.
        arguments = {"enable_chunked_prefill": False} | arguments
    try:
        config = AsyncEngineArgs(**arguments).create_engine_config(UsageContext.LLM_CLASS)
    except Exception as error:
        raise EngineError(f"vLLM refuses engine.args: {_told(error)}") from error
    if not is_wanted():
        raise EngineError("the vLLM engine is closed.")
    try:
        engine = AsyncLLM.from_vllm_config(
            config, usage_context=UsageContext.LLM_CLASS, disable_log_stats=True
        )
    except Exception as error:
        raise EngineError(
            f"vLLM could not load {arguments['model']}: {_told(error)} Its own log, above, says why; docs/vllm.md lists "
            "what helps."
        ) from error

    def params(**settings: Any) -> Any:  # noqa: ANN401 - vLLM's
        return SamplingParams(output_kind=RequestOutputKind.FINAL_ONLY, **settings)

    return Loaded(
        engine=engine,
        tokenizer=engine.get_tokenizer(),
        params=params,
        param_names=frozenset(SamplingParams.__struct_fields__) - OURS,
        as_prompt=tokens_input,
        dead=EngineDeadError,
        refused=(VLLMClientError, ValueError),
        broken=EngineGenerateError,
        room=config.model_config.max_model_len,
        defaults=config.model_config.get_diff_sampling_param(),
    )


def _told(error: BaseException) -> str:
    """An error of vLLM in one line of at most 500 characters, a full stop at its end."""
    text = " ".join(str(error).split())[:500] or type(error).__name__
    return text if text.endswith(".") else f"{text}."
