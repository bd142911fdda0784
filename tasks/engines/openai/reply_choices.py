"""The choices of a streamed reply, each put together from its pieces in the order in which they came."""

from typing import Any, TypeVar, cast

from configs.schema import JsonObject
from tasks.engines.openai.lenient import loads
from tasks.engines.openai.logprobs import token_confidence
from warehouse.storable import whole_number

T = TypeVar("T", list[Any], dict[str, Any])

_MOST_CHOICES = 2**31 - 1
_MOST_PARTS = 4096
"""Pieces of a text that are kept apart; more are joined, so that a long text takes the memory of its characters."""


class ReplyChoice:
    """One choice: what its message holds so far, field by field, and how it ended."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Any]] = {}
        """Pieces of each field: texts, insides of JSON strings (bytes), or lists of content parts."""
        self.finish_reason: object = None
        self.error: object = None
        self.usage: dict[str, Any] = {}
        self._values: dict[str, object] = {}
        self._logprobs: list[object] | None = None
        self._lacks_logprobs = False

    @property
    def is_ended(self) -> bool:
        """Whether it said how it ended."""
        return bool(self.finish_reason or self.error)

    def take(self, piece: JsonObject) -> bool:
        """Take in a piece; whether it held any text or the choice's end."""
        has_text = False
        for name, value in of_kind(piece.get("delta"), dict).items():
            has_text |= self._append(name, value)
        for name, value in of_kind(piece.get("message"), dict).items():
            has_text |= self._append(name, value, may_be_whole=True)
        if isinstance(text := piece.get("text"), str):  # the interface before the one for chats
            has_text |= self._append("content", text)
        self._take_logprobs(
            of_kind(of_kind(piece.get("logprobs"), dict).get("content"), list), has_text=has_text
        )
        self.finish_reason = piece.get("finish_reason") or self.finish_reason
        self.error = piece.get("error") or self.error
        self.usage = of_kind(piece.get("usage"), dict) or self.usage
        return has_text or self.is_ended

    def as_reply(self, index: int) -> dict[str, Any]:
        """The choice as a reply that is not streamed would hold it."""
        message = self._values | {name: _joined(parts) for name, parts in self.parts.items()}
        reply: dict[str, Any] = {"index": index, "message": message, "finish_reason": self.finish_reason}
        if self.error:
            reply["error"] = self.error
        if self._logprobs and not self._lacks_logprobs:
            reply["logprobs"] = {"content": self._logprobs}
        return reply

    def compact(self) -> None:
        """Join the pieces of each text where there are many."""
        for parts in self.parts.values():
            if len(parts) > _MOST_PARTS:
                parts[:] = _runs(parts)

    def _append(self, name: str, value: object, *, may_be_whole: bool = False) -> bool:
        if not isinstance(value, str | list) or name == "role":
            if value is not None:
                self._values[name] = value
            return False
        parts = self.parts.setdefault(name, [])
        if may_be_whole and parts and isinstance(value, str) and value.startswith(str(_joined(parts))):
            parts.clear()  # some servers repeat the whole message at its end
        if value:
            parts.append(value)
        return bool(value)

    def _take_logprobs(self, tokens: list[Any], *, has_text: bool) -> None:
        """Keep the tokens' log-probabilities; where a text came without, the others' mean would not be the choice's."""
        if tokens:
            self._logprobs = self._logprobs or []
            self._logprobs += map(_short, tokens)
        elif has_text:
            self._lacks_logprobs = True


def _short(token: object) -> JsonObject:
    """A token's log-probability, and the mean of those of the likeliest tokens at its place in place of each of them."""
    told = of_kind(token, dict)
    short: dict[str, Any] = {"logprob": told.get("logprob")}
    if (confidence := token_confidence(told)) is not None:
        short["top_logprobs"] = [{"logprob": -confidence}]
    return short


def index_of(piece: JsonObject, place: int) -> int:
    """Which choice a piece belongs to; one that does not say it, by its place in the event."""
    index = whole_number(piece.get("index"), 0, _MOST_CHOICES)
    return place if index is None else index


def of_kind(value: object, kind: type[T]) -> T:
    """The value where it is of that kind, else an empty one: what has another form says nothing."""
    return value if isinstance(value, kind) else kind()


def _joined(parts: list[Any]) -> str | list[Any]:
    """A field's pieces as one text; as content parts where some came as such."""
    runs = _runs(parts)
    texts = [_text(run) if isinstance(run, bytes) else run for run in runs]
    if all(isinstance(text, str) for text in texts):
        return "".join(texts)
    whole: list[Any] = []
    for text in texts:
        whole += cast("list[Any]", text) if isinstance(text, list) else [{"type": "text", "text": text}]
    return whole


def _runs(parts: list[Any]) -> list[Any]:
    """The pieces with neighbours of one kind joined."""
    runs: list[Any] = []
    start = 0
    for end in range(1, len(parts) + 1):
        if end == len(parts) or type(parts[end]) is not type(parts[start]):
            run = parts[start:end]
            runs += run if isinstance(run[0], list) else [type(run[0])().join(run)]
            start = end
    return runs


def _text(inside: bytes) -> str:
    """The text that the inside of a JSON string stands for."""
    text = loads(b'"' + inside + b'"')
    return text if isinstance(text, str) else inside.decode(errors="replace")
