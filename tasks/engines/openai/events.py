"""Server-sent events, put together into the reply that they amount to, as they arrive or all at once.

Read as servers send them, not only as the standard says: events ended by one line break or none, CR and CRLF, comments
as signs of life, empty events, errors as an event, a field or a bare object, `[DONE]` left out, usage in an event of
its own, in the last one, in each of them or in the choices (vLLM, SGLang, llama.cpp, OpenRouter, Mistral, Groq, Moonshot).
"""

import re
from typing import Any, NamedTuple, cast

from configs.schema import JsonObject
from tasks.engines.openai.faults import OK, error_status
from tasks.engines.openai.lenient import loads
from tasks.engines.openai.reply_choices import ReplyChoice, index_of, of_kind

_STARTS = (b"data:", b"event:", b":", b"id:", b"retry:", b"error:")
_NOTHING = frozenset({b"", b"null"})
_DONE = frozenset({b"[DONE]", b'"[DONE]"', b"[done]"})
_MOST_FRAMES = 64
_LINES_TO_LEARN_FROM = 8
_MOST_OTHERS = 12
"""Lines behind events of one kind that are looked through for where these end."""
_PIECES_BETWEEN_COMPACTIONS = 4096


class _Frame(NamedTuple):
    """What is the same around the text of one event after another; the text between is all that such an event says."""

    head: bytes
    tail: bytes
    parts: list[Any]
    """Where the text goes."""
    between: bytes
    """What stands between the texts of two such events."""


def looks_like_events(data: bytes, content_type: str) -> bool:
    """Whether a body is a stream of events and not JSON."""
    if data.startswith(b"{"):  # nearly always
        return False
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(_STARTS) or (
        content_type.startswith("text/event-stream") and not start.startswith((b"{", b"["))
    )


def reply_of_events(data: bytes) -> JsonObject | None:
    """The reply that a body of events amounts to; None where it is cut off, an error's reply where it ends in one."""
    events = Events()
    events.feed(data)
    return events.reply()


class Events:
    """The events of one reply so far."""

    def __init__(self, num_choices: int = 1) -> None:
        self._num_choices = num_choices
        self.num_pieces = 0
        """Pieces of choices that came."""
        self.has_begun = False
        """Whether any text came."""
        self.is_over = False
        """Whether the end was said, or an error: what follows says nothing."""
        self._rest = b""
        self._event_name = b""
        self._lines: list[bytes] = []
        """The `data:` lines of an event that is not whole JSON line by line."""
        self._whole: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._is_counted = False
        """Whether usage came by itself behind the text, which no server does before it has finished."""
        self._choices: dict[int, ReplyChoice] = {}
        self._frames: list[_Frame] = []
        self._error: JsonObject | None = None
        self._is_unreadable = False
        self._next_compaction = _PIECES_BETWEEN_COMPACTIONS

    @property
    def is_whole(self) -> bool:
        """Whether nothing that matters is missing, should the connection end here."""
        ended = [choice for choice in self._choices.values() if choice.is_ended]
        return self.is_over or self._num_choices <= len(ended) == len(self._choices)

    def feed(self, data: bytes) -> None:
        """Take in what has arrived."""
        data = self._rest + data
        held = b""
        if b"\r" in data:
            if data.endswith(b"\r"):  # perhaps half of a line break
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for _ in range(_LINES_TO_LEARN_FROM):  # the first events show what is the same in those that follow
            line, mark, rest = (b"", b"", data) if self._frames else data.partition(b"\n")
            if not mark:
                break
            self._take_line(line)
            data = rest
        if self._frames:
            data = self._take_run(data)
        lines = data.split(b"\n")
        for line in lines[:-1]:
            self._take_line(line)
        self._rest = lines[-1] + held
        if self._rest.endswith(b"[DONE]"):  # the last line, which need not be ended
            self._take_line(self._rest)
            self._rest = b""
        if self.num_pieces > self._next_compaction:
            self._next_compaction = self.num_pieces + _PIECES_BETWEEN_COMPACTIONS
            for choice in self._choices.values():
                choice.compact()

    def reply(self) -> JsonObject | None:
        """What they amount to, now that nothing more comes; None where the end is missing, an error's reply for an error.

        A choice that ended is an answer, whatever became of the others; these are errors then.
        """
        for line in (self._rest.rstrip(b"\r"), b""):
            self._take_line(line)
        self._rest = b""
        if self._is_unreadable:
            return None
        is_any_ended = any(choice.is_ended for choice in self._choices.values())
        if self._error and not is_any_ended:
            return self._error
        if not (self.is_over or is_any_ended or self._is_counted):
            return None
        if is_any_ended:
            said = (self._error or {}).get("error") or self._error
            for choice in self._choices.values():
                if not choice.is_ended:
                    choice.error = said or {"message": "the stream ended before this choice did", "code": 502}
        usage: JsonObject = {"usage": self._usage or self._usage_of_choices()}
        choices = [self._choices[index].as_reply(index) for index in sorted(self._choices)]
        return {**self._whole, **usage, "choices": choices}

    def _take_run(self, data: bytes) -> bytes:
        """Take in events at the start that differ in their text alone, at once; returns what is left."""
        if not (self._lines or self._event_name):
            data = data.lstrip(b"\n")
        head, tail, parts, between = self._frames[0]
        if self.is_over or not data.startswith(head):
            return data
        lines = data.split(b"\n")  # at one character: many times faster than at what stands between two texts
        end = len(lines) - 1
        while end and not lines[end - 1].endswith(tail) and len(lines) - end < _MOST_OTHERS:
            end -= 1  # the end of a stream, or an event of another kind
        if not end:
            return data
        start, stop = len(head), -len(tail)
        texts = [line[start:stop] for line in lines[:end:2]]
        whole = head + between.join(texts) + tail
        joined = b"".join(texts)
        if b'"' in joined or not data.startswith(
            whole
        ):  # other events among them, or other fields, or a quote in a text
            return data
        if joined:
            parts.append(joined)
        self.num_pieces += len(texts)
        return data[len(whole) :]

    # --- one line ---

    def _take_line(self, line: bytes) -> None:
        if self.is_over:
            return
        for place, (head, tail, parts, _) in enumerate(self._frames):
            if line.startswith(head) and line.endswith(tail) and len(line) >= len(head) + len(tail):
                inside = line[len(head) : len(line) - len(tail)]
                if b'"' in inside:
                    break
                parts.append(inside)
                self.num_pieces += 1
                if place:  # most texts go on in the frame that was used last
                    self._frames.insert(0, self._frames.pop(place))
                return
        name, _, value = line.partition(b":")
        self._take_field(name.strip(b" \t\xef\xbb\xbf"), value.strip(), line)

    def _take_field(self, name: bytes, value: bytes, line: bytes) -> None:
        if name == b"data":
            self._take_data(value, line)
        elif name == b"event":
            self._event_name = value
        elif name == b"error":  # llama.cpp until September 2025
            error = loads(value)
            self._fail({"error": error if isinstance(error, dict) else value.decode(errors="replace")})
        elif name.startswith(b"{"):
            self._take_data(line.strip(), line)
        elif not line:
            lines, self._lines = self._lines, []
            if lines:
                self._take_text(b"\n".join(lines))
            self._event_name = b""

    def _take_data(self, value: bytes, line: bytes) -> None:
        if value in _DONE:
            self.is_over = True
        elif value not in _NOTHING:
            event = loads(value)
            if isinstance(event, dict):
                self._take_event(cast("JsonObject", event), line)
            else:
                self._lines.append(value)

    def _take_text(self, text: bytes) -> None:
        """An event whose lines were no JSON each: one object over several lines, an error in words, or unreadable."""
        event = loads(text)
        if isinstance(event, dict):
            self._take_event(cast("JsonObject", event), b"")
        elif self._event_name == b"error":
            self._fail({"error": {"message": text.decode(errors="replace")}})
        else:
            self._is_unreadable = True

    def _take_event(self, event: JsonObject, line: bytes) -> None:
        pieces = of_kind(event.get("choices"), list)
        if self._event_name == b"error" or event.get("error") or not pieces:
            said = {name: value for name, value in event.items() if name != "choices"}
            if self._event_name == b"error" and error_status(said) == OK:
                said = {"error": said}
            if error_status(said) != OK:
                self._fail(said)
                return
        usage = of_kind(event.get("usage"), dict) or of_kind(
            of_kind(event.get("x_groq"), dict).get("usage"), dict
        )
        if usage.get("completion_tokens") or usage.get("output_tokens") or not self._usage:
            self._usage = usage
            self._is_counted |= self.has_begun and bool(usage) and not pieces
        self._whole |= {
            name: value
            for name, value in event.items()
            if name not in {"choices", "usage"} and value is not None
        }
        has_text = False
        for place, piece in enumerate(pieces):
            if isinstance(piece, dict):
                piece = cast("JsonObject", piece)
                has_text |= self._choices.setdefault(index_of(piece, place), ReplyChoice()).take(piece)
        self.num_pieces += len(pieces)
        self.has_begun |= has_text
        if has_text and len(pieces) == 1 and not usage:
            self._learn(pieces[0], line)

    def _learn(self, piece: JsonObject, line: bytes) -> None:
        """Remember what stands around the text of an event that says nothing else; its like are not parsed."""
        texts = [
            (name, text)
            for name, text in of_kind(piece.get("delta"), dict).items()
            if text and name != "role"
        ]
        others = ("finish_reason", "logprobs", "error", "usage", "message", "text")
        if len(texts) != 1 or any(piece.get(name) for name in others) or len(self._frames) >= _MOST_FRAMES:
            return
        name, text = texts[0]
        found = re.search(rb'"' + re.escape(name.encode()) + rb'"\s*:\s*"([^"\\]*)"', line)
        if found and isinstance(text, str) and found[1] == text.encode(errors="replace"):
            parts = self._choices[index_of(piece, 0)].parts[name]
            head, tail = line[: found.start(1)], line[found.end(1) :]
            self._frames.insert(0, _Frame(head, tail, parts, tail + b"\n\n" + head))

    def _fail(self, error: JsonObject) -> None:
        self._error, self.is_over = error, True

    def _usage_of_choices(self) -> JsonObject:
        """The usage where each choice has its own; empty where none has."""
        each = [choice.usage for choice in self._choices.values()]
        if not all(each) or not each:
            return {}
        counts = [usage.get("completion_tokens") for usage in each]
        total = sum(count for count in counts if isinstance(count, int)) if None not in counts else None
        return {**each[0], "completion_tokens": total}
