"""The kind `vllm`: vLLM inside this process's run, on all of the machine's accelerators."""

from configs.engines import VllmSettings
from configs.models import Model
from tasks.engines.protocol import EVERY_GPU, Engine, EngineKind, by_settings
from tasks.engines.vllm.arguments import check_arguments, context_of, location_of, pinned_revision

LARGEST_SHARD = 4096


def _build(model: Model, settings: VllmSettings) -> Engine:
    from tasks.engines.vllm.engine import VllmEngine  # noqa: PLC0415 - as all kinds do it

    return VllmEngine(model, settings)


def _check(_: Model, settings: VllmSettings) -> None:
    check_arguments(settings)


def _identify(model: Model, settings: VllmSettings) -> str | None:
    return pinned_revision(model, location_of(model, settings), settings.args)


def _context(model: Model, settings: VllmSettings) -> int | None:
    return context_of(model, location_of(model, settings), settings.args)


VLLM = EngineKind(
    settings=VllmSettings,
    build=_build,
    check=_check,
    starts_quickly=lambda _: False,
    identify=_identify,
    weights=location_of,
    context=_context,
    context_setting=lambda _: "args.max_model_len",
    largest_shard=lambda _: LARGEST_SHARD,
    claims=lambda _: frozenset({EVERY_GPU}),
    process=by_settings,
)
