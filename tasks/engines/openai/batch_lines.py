"""The files of a batch interface: what is handed in, a line per sample, and what its lines say when it has ended.

The form is OpenAI's (platform.openai.com/docs/guides/batch), which Azure, Groq, Together and others share.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import orjson

from configs.schema import JsonObject
from tasks.engines.openai.faults import (
    OK,
    Meaning,
    TransientError,
    error_message,
    error_status,
    meaning_of,
    one_line,
)
from tasks.engines.openai.kind import LARGEST_BATCH
from tasks.engines.openai.lenient import loads
from tasks.engines.openai.replies import Sent, outcomes_of
from tasks.engines.protocol import Completion, Failure
from tasks.engines.reasoning import KNOWN, Marks
from warehouse.failures import FailureCode

ENDED = frozenset({"completed", "expired", "cancelled", "failed"})
MOST_BYTES = 100_000_000
"""Of one file, half of OpenAI's limit."""
_MARK = "a2r"


class Line(NamedTuple):
    """One request of a batch."""

    trace_id: str
    seed: int | None
    """As it is sent; None where the dialect has none."""
    data: bytes
    """As it stands in the file, without the line break."""


class Batch(NamedTuple):
    """A batch as its provider describes it."""

    batch_id: str
    status: str
    scope: str
    """Of the model and sampling of its lines; empty where the provider does not keep what was said of it."""
    lines: str
    """Digest of its lines' ids; empty in the same case."""
    input_file: str
    result_files: tuple[str, ...]
    created_at: datetime
    num_done: int
    num_lines: int
    reason: str
    """Why it failed as a whole, in the provider's words; empty where it did not."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED

    @property
    def is_refused(self) -> bool:
        """Whether none of it was ever worked on: its lines may be handed in again."""
        return self.status == "failed"


def line_of(trace_id: str, body: JsonObject) -> Line:
    """The line of one sample's request, found again by its trace id."""
    asked = {"custom_id": trace_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return Line(trace_id, body.get("seed"), orjson.dumps(asked))


def pieces(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines in pieces that one batch may hold."""
    piece: list[Line] = []
    size = 0
    for line in lines:
        if piece and (len(piece) == LARGEST_BATCH or size + len(line.data) >= MOST_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line.data) + 1
    if piece:
        yield piece


def digest_of(lines: Iterable[Line]) -> str:
    """Of the ids of lines, by which a batch is known whose creation was not heard of."""
    return hashlib.sha256("\n".join(sorted(line.trace_id for line in lines)).encode()).hexdigest()[:16]


def described(scope: str, lines: list[Line]) -> dict[str, str]:
    """What is said of a batch where it is created, and read back by `batch_of`."""
    return {_MARK: "1", "scope": scope, "lines": digest_of(lines)}


def batch_of(told: object) -> Batch | None:
    """A batch in the provider's words; None for what is none, and for one that somebody else handed in."""
    held = cast("JsonObject", told) if isinstance(told, dict) else {}
    said = held.get("metadata")
    about = cast("JsonObject", said) if isinstance(said, dict) else {}
    if not isinstance(held.get("id"), str) or (about and _MARK not in about):
        return None
    counts = held.get("request_counts")
    done = cast("JsonObject", counts) if isinstance(counts, dict) else {}
    files = (held.get("output_file_id"), held.get("error_file_id"))
    return Batch(
        held["id"],
        str(held.get("status") or ""),
        str(about.get("scope") or ""),
        str(about.get("lines") or ""),
        str(held.get("input_file_id") or ""),
        tuple(file for file in files if isinstance(file, str) and file),
        _time(held.get("created_at")),
        _whole(done.get("completed")) + _whole(done.get("failed")),
        _whole(done.get("total")),
        _reason(held.get("errors")),
    )


def ids_in(file: bytes) -> set[str]:
    """The trace ids of the lines of a batch's file, its input's or its results'."""
    return {trace_id for trace_id, _ in _objects(file)}


def outcomes_in(
    file: bytes, batch: Batch, seeds: dict[str, int | None], marks: tuple[Marks, ...] = KNOWN
) -> Iterator[tuple[str, Completion | Failure]]:
    """What became of the lines of a result file that belong to these traces, each with its seed."""
    for trace_id, line in _objects(file):
        if trace_id in seeds:
            yield trace_id, _outcome(line, batch, seeds[trace_id], marks)


def never_came(batch: Batch) -> Failure:
    """The outcome of a line that no result file holds."""
    code = FailureCode.TIMEOUT if batch.status == "expired" else FailureCode.SERVER_ERROR
    return Failure(code, f"the batch {batch.batch_id} ended ({batch.status}) without it", batch.created_at, 1)


def _outcome(
    line: JsonObject, batch: Batch, seed: int | None, marks: tuple[Marks, ...]
) -> Completion | Failure:
    response, error = line.get("response"), line.get("error")
    reply = cast("JsonObject", response).get("body") if isinstance(response, dict) else None
    status = cast("JsonObject", response).get("status_code") if isinstance(response, dict) else None
    if isinstance(error, dict) and error:
        return _failure(500, {"error": error}, batch)
    if status != OK or (status := error_status(reply)) != OK:
        return _failure(status if isinstance(status, int) else 500, reply, batch)
    sent = Sent(seed, batch.created_at, 0.0, 1, marks)
    try:
        [outcome, *_] = outcomes_of(reply, sent)
    except TransientError as broken:
        outcome = broken
    if isinstance(outcome, TransientError):
        return Failure(outcome.code, outcome.message, batch.created_at, 1)
    if isinstance(outcome, Failure):
        return outcome
    return outcome._replace(latency_seconds=None, service_tier="batch")


def _failure(status: int, reply: object, batch: Batch) -> Failure:
    """Why a line was not answered: refused for good, or to be asked again."""
    message = one_line(error_message(status, orjson.dumps(reply), reply))
    if "batch_expired" in str(reply):
        return Failure(FailureCode.TIMEOUT, message, batch.created_at, 1)
    meaning, code = meaning_of(status, message, reply)
    if meaning is Meaning.REFUSED or code in {FailureCode.RATE_LIMITED, FailureCode.SERVER_ERROR}:
        return Failure(code, message, batch.created_at, 1)
    is_refused = meaning is Meaning.DOUBTFUL
    return Failure(
        FailureCode.BAD_REQUEST if is_refused else FailureCode.SERVER_ERROR, message, batch.created_at, 1
    )


def _objects(file: bytes) -> Iterator[tuple[str, JsonObject]]:
    for text in file.split(b"\n"):
        line: Any = loads(text) if text.strip() else None
        if isinstance(line, dict) and isinstance(trace_id := cast("JsonObject", line).get("custom_id"), str):
            yield trace_id, cast("JsonObject", line)


def _reason(errors: object) -> str:
    match errors:
        case {"data": [{"message": str(message)}, *_]} | {"message": str(message)}:
            return one_line(message)
    return ""


def _time(value: object) -> datetime:
    seconds = value if isinstance(value, int | float) else 0
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else datetime.now(UTC)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
