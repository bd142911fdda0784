"""The kind `openai`: any OpenAI-compatible endpoint, or a server on this machine that the run starts itself."""

from configs.engines import OpenAISettings
from configs.models import Model
from tasks.engines.openai.key import api_key
from tasks.engines.protocol import EVERY_GPU, Engine, EngineKind
from tasks.engines.server.command import command_of, weights_of
from tasks.engines.vllm.arguments import context_of, pinned_revision
from tasks.engines.weights import shipped_or_hub

AUTO = 256
"""What a concurrency that finds itself counts as where shards are cut."""
LARGEST_BATCH = 50_000
"""Requests that providers take in one batch."""


def _build(model: Model, settings: OpenAISettings) -> Engine:
    if settings.batch:
        from tasks.engines.openai.batch_engine import BatchEngine  # noqa: PLC0415 - aiohttp, for those alone who use it

        return BatchEngine(model, settings)
    from tasks.engines.openai.engine import OpenAIEngine  # noqa: PLC0415 - the same

    return OpenAIEngine(model, settings)


def _check(model: Model, settings: OpenAISettings) -> None:
    api_key(settings)
    if settings.serve:
        command_of(model, settings.serve)


def _identify(model: Model, settings: OpenAISettings) -> str | None:
    """What an endpoint serves is known by what the experiment says of it; what we serve, by its files."""
    if settings.serve is None:
        return model.revision
    return pinned_revision(model, weights_of(model, settings.serve), settings.serve.options)


def _weights(model: Model, settings: OpenAISettings) -> str:
    return weights_of(model, settings.serve) if settings.serve else shipped_or_hub(model.id)


def _context(model: Model, settings: OpenAISettings) -> int | None:
    """Unknown of an endpoint: its own setting may be less than the model's."""
    return context_of(model, _weights(model, settings), settings.serve.options) if settings.serve else None


def _context_setting(settings: OpenAISettings) -> str | None:
    return "serve.args.max_model_len" if settings.serve else None


def _largest_shard(settings: OpenAISettings) -> int:
    if settings.batch:
        return LARGEST_BATCH
    concurrency = AUTO if settings.concurrency == "auto" else settings.concurrency
    return max(512, 16 * concurrency * len(settings.urls))


def _claims(settings: OpenAISettings) -> frozenset[str]:
    if settings.serve is None:
        return frozenset()
    gpus = settings.serve.gpus
    held = [EVERY_GPU] if gpus is None else [f"gpu {gpu}" for gpu in gpus]
    return frozenset([*held, f"port {settings.serve.port}"])


def _process(settings: OpenAISettings) -> object:
    """The server, not how it is asked; endpoints are told apart by all their settings, and claim nothing."""
    return settings.serve or settings


OPENAI = EngineKind(
    settings=OpenAISettings,
    build=_build,
    check=_check,
    starts_quickly=lambda settings: settings.serve is None,
    identify=_identify,
    weights=_weights,
    context=_context,
    context_setting=_context_setting,
    largest_shard=_largest_shard,
    claims=_claims,
    process=_process,
)
