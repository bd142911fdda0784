"""The body of a chat request in an endpoint's dialect, and what an endpoint has taught of its own.

A server may refuse a setting that its dialect does not leave out, or that nobody named a dialect for. Where leaving it
out or calling it otherwise changes nothing of what is sampled, that is learnt from the refusal and remembered for the
process. Where it does, the engine stops with a sentence: it is the experiment that says so, since it is in the recipe.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple, cast

from configs.dialects import AS_IT_IS, DIALECTS, Dialect
from configs.engines import OpenAISettings
from configs.sampling import Sampling
from configs.schema import JsonObject
from tasks.engines.protocol import EngineError, Request

_OTHER_NAMES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_WITHOUT_EFFECT = frozenset({"seed", "logprobs", "top_logprobs", "stream", "stream_options"})
"""Fields whose absence changes nothing of what is sampled: at most, fewer things are known of it."""
STREAMED_FROM_TOKENS = 4096
"""The `max_tokens` from which `stream: auto` streams: such an answer may take longer than anybody keeps a silent connection."""
_SAMPLED = ("max_tokens", "temperature", "top_p", "top_k", "min_p", "presence_penalty", "repetition_penalty")
_PLAIN = ("seed", "logprobs", "top_logprobs", "stop", *_SAMPLED)
_sampled = attrgetter(*_SAMPLED)


class _Fixed(NamedTuple):
    """What of a request's body is the same in each of them."""

    sampling: Sampling
    settings: OpenAISettings
    lessons: int
    fields: dict[str, Any]
    is_seeded: bool
    """Whether each sample's seed takes the place of the one in there."""


@dataclass
class Learnt:
    """What an endpoint has refused of this model's requests."""

    renamed: dict[str, str] = field(default_factory=dict[str, str])
    left_out: set[str] = field(default_factory=set[str])
    takes_long: bool = False
    """Whether a reply that was not streamed has come too late."""
    fixed: _Fixed | None = None
    """What was the same in the latest request and those before it."""

    @property
    def num_lessons(self) -> int:
        """How much has been learnt: nothing of it is ever forgotten."""
        return len(self.renamed) + len(self.left_out) + self.takes_long

    def take_in(self, name: str, url: str, refusal: str) -> str:
        """Do without a field of the body, or call it otherwise; returns the sentence to show, empty where it was known.

        Raises EngineError where the traces would not be those that the experiment describes.
        """
        if name in self.left_out or name in self.renamed:
            return ""
        other = _OTHER_NAMES.get(name)
        if other and other not in self.renamed:
            self.renamed[name] = other
            return f"{url} takes {other} in place of {name}."
        if name in _WITHOUT_EFFECT:
            self.left_out.add(name)
            return f"{url} takes no {name}; it is left out, which changes nothing of what is sampled."
        raise EngineError(_not_silently(name, url, refusal))


LEARNT: MutableMapping[tuple[tuple[str, ...], str], Learnt] = {}
"""By addresses and model, for the process: a second stage does not have to be refused again."""


def learnt_of(settings: OpenAISettings, model: str) -> Learnt:
    """What is known of these addresses and this model; changes as more is learnt."""
    return LEARNT.setdefault((settings.urls, model), Learnt())


def dialect_of(settings: OpenAISettings) -> Dialect:
    """The dialect that the settings name."""
    return DIALECTS[settings.dialect] if settings.dialect else AS_IT_IS


def body_of(
    model: str, request: Request, places: Sequence[int], settings: OpenAISettings, learnt: Learnt
) -> dict[str, Any]:
    """The request's body for these of its samples; `seed`, where it is there, is the first one's."""
    fixed = _fixed_of(request.sampling, settings, learnt)
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        **fixed.fields,
    }
    if fixed.is_seeded:
        body["seed"] = request.seeds[places[0]]
    if len(places) > 1:
        body.setdefault("n", len(places))
    return body


def _fixed_of(sampling: Sampling, settings: OpenAISettings, learnt: Learnt) -> _Fixed:
    """What is the same in every request with these settings, put together again once more has been learnt."""
    known, lessons = learnt.fixed, learnt.num_lessons
    if known and known.sampling is sampling and known.settings is settings and known.lessons == lessons:
        return known
    dialect, left_out = dialect_of(settings), settings.left_out
    fields = {
        dialect.renamed.get(name, name): value
        for name, value in _plain(sampling, settings)
        if value is not None and name not in left_out
    }
    if _is_streamed(sampling, settings, learnt):
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    if sampling.enable_thinking is not None and "enable_thinking" not in left_out:
        template = {"chat_template_kwargs": {"enable_thinking": sampling.enable_thinking}}
        _merge(fields, dialect.thinking[sampling.enable_thinking] if dialect.thinking else template)
    if sampling.reasoning_effort and "reasoning_effort" not in left_out:
        _merge(fields, _nested(dialect.effort, sampling.reasoning_effort))
    for name, other in learnt.renamed.items():
        if name in fields:
            fields[other] = fields.pop(name)
    for name in learnt.left_out:
        fields.pop(name, None)
    is_seeded = "seed" in fields and "seed" not in sampling.extra
    learnt.fixed = _Fixed(sampling, settings, lessons, fields | sampling.extra, is_seeded)
    return learnt.fixed


def _is_streamed(sampling: Sampling, settings: OpenAISettings, learnt: Learnt) -> bool:
    """Whether the reply is asked for piece by piece; never where the endpoint refuses it."""
    if "stream" in learnt.left_out:
        return False
    if settings.stream == "auto":
        return sampling.max_tokens >= STREAMED_FROM_TOKENS or learnt.takes_long
    return settings.stream


def left_out_of(sampling: Sampling, settings: OpenAISettings) -> list[str]:
    """The settings that the experiment has and the dialect leaves out, for people to read; a seed is none of them."""
    told = {name for name, value in sampling.model_dump().items() if value is not None and value != ()}
    return sorted((settings.left_out & told) - {"seed"})


def _plain(sampling: Sampling, settings: OpenAISettings) -> Iterator[tuple[str, Any]]:
    """The settings that are one field each; the base seed in place of a sample's; those that are None are left to the server."""
    top = settings.top_logprobs
    values = (
        sampling.seed,
        settings.logprobs or top is not None or None,
        top,
        sampling.stop or None,
        *_sampled(sampling),
    )
    return zip(_PLAIN, values, strict=True)


def _nested(keys: tuple[str, ...], value: str) -> JsonObject:
    inner: Any = value
    for key in reversed(keys):
        inner = {key: inner}
    return inner


def _merge(body: dict[str, Any], more: JsonObject) -> None:
    """Put `more` into the body, objects into objects."""
    for name, value in more.items():
        held = body.get(name)
        if isinstance(held, dict) and isinstance(value, Mapping):
            inner = dict(cast("dict[str, Any]", held))
            _merge(inner, cast("JsonObject", value))
            body[name] = inner
        else:
            body[name] = value


def _not_silently(name: str, url: str, refusal: str) -> str:
    ours = {"chat_template_kwargs": "enable_thinking", "repeat_penalty": "repetition_penalty"}.get(name, name)
    if ours not in Sampling.model_fields:
        return f"{url} refuses {name} ({refusal}); take it out of sampling.extra."
    speaking = [dialect for dialect, row in DIALECTS.items() if ours in row.left_out]
    named = f"engine.dialect: {' or '.join(speaking)} leaves it out, " if speaking else ""
    return (
        f"{url} refuses {name} ({refusal}). Without it other texts are sampled, so it is not left out silently: "
        f"{named}engine.leave_out: [{ours}] leaves out it alone, and the recipe says so either way; or set "
        f"sampling.{ours} to what is accepted."
    )
