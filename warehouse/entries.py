"""What parts hold, as numbers sorted by trace id: 33 bytes a trace, where a Python object takes some hundred.

A trace id is 128 bits, kept as two halves; an answer's digest is 64. A row whose id is not 32 hexadecimal digits is
left out: no trace that anybody wants has such an id, and `a2r verify` names it.
"""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.failures import is_permanent

_TOKENS = ("num_billed_prompt_tokens", "num_completion_tokens")
READ = ("trace_id", "status", "error_code", "answer_digest", *_TOKENS)
"""Columns of a part that entries are made of."""

_STATUSES = ("ok", "truncated", "error")
_ERROR, _PERMANENT, _HAS_DIGEST = 2, 4, 8
"""A row's kind: the place of its status, and two flags."""
_ID_DIGITS, _DIGEST_DIGITS = 32, 16
_AT_ONCE = 2**16
_LARGE = 2**20
"""Rows."""

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]


class Stored(NamedTuple):
    """One stored trace, or the last failure to make it."""

    status: str
    part: str
    """Empty while it is in an open journal."""
    is_permanent: bool
    """Whether a failure is a refusal of its prompt."""
    answer_digest: str | None = None
    """Of the answer, by which its verdicts are found; rows of earlier layouts have none."""
    num_tokens: int = 0
    """Of the prompt as billed and the completion together, as far as they are known."""


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Rows of parts, sorted by trace id; a trace has as many as there are of it in the parts."""

    parts: tuple[str, ...]
    high: U64
    """The first half of each trace id."""
    low: U64
    digests: U64
    kinds: npt.NDArray[np.uint8]
    places: U32
    """Of each row's part in `parts`."""
    tokens: U32
    """Of each row's prompt as billed and completion together."""

    def __len__(self) -> int:
        return len(self.high)

    def get(self, trace_id: str) -> Stored | None:
        """The first row of a trace."""
        try:
            high, low = int(trace_id[:16], 16), int(trace_id[16:], 16)
        except ValueError:
            return None
        highs = self.high.data  # gives numbers of Python, faster than the array does
        place = bisect_left(highs, high)
        while place < len(highs) and highs[place] == high:
            if self.low[place] == low:
                return self._stored(place)
            place += 1
        return None

    def _stored(self, place: int) -> Stored:
        kind = int(self.kinds[place])
        return Stored(
            _STATUSES[kind & 3],
            self.parts[self.places[place]],
            bool(kind & _PERMANENT),
            f"{int(self.digests[place]):016x}" if kind & _HAS_DIGEST else None,
            int(self.tokens[place]),
        )

    def answers(self) -> Iterator[str]:
        """Ids of the answers, a row at a time."""
        answered = np.flatnonzero((self.kinds & 3) != _ERROR)
        for start in range(0, len(answered), _AT_ONCE):
            yield from self.ids(answered[start : start + _AT_ONCE])

    def ids(self, rows: npt.NDArray[np.intp]) -> list[str]:
        """The trace ids of some rows."""
        halves = np.stack([self.high[rows], self.low[rows]], axis=1).astype(">u8")
        digits = halves.tobytes().hex()
        return [digits[start : start + _ID_DIGITS] for start in range(0, len(digits), _ID_DIGITS)]

    def doubled(self) -> npt.NDArray[np.bool_]:
        """For each row, whether its trace has another."""
        same = (self.high[1:] == self.high[:-1]) & (self.low[1:] == self.low[:-1])
        return np.append(same, False) | np.append(False, same)

    def are_in(self, other: "Entries") -> npt.NDArray[np.bool_]:
        """For each row, whether `other` holds a row of its trace."""
        first, last = (np.searchsorted(other.high, self.high, side) for side in ("left", "right"))
        is_in = first < last
        found = np.flatnonzero(is_in)
        is_in[found] = other.low[first[found]] == self.low[found]
        for row in found[~is_in[found] & (last[found] - first[found] > 1)]:  # equal in their first 64 bits
            is_in[row] = self.low[row] in other.low[first[row] : last[row]]
        return is_in

    def kept(self, is_kept: npt.NDArray[np.bool_]) -> "Entries":
        """Only some rows."""
        if is_kept.all():
            return self
        return Entries(
            self.parts,
            self.high[is_kept],
            self.low[is_kept],
            self.digests[is_kept],
            self.kinds[is_kept],
            self.places[is_kept],
            self.tokens[is_kept],
        )

    def of_parts(self, parts: Iterable[str]) -> "Entries":
        """Only the rows of some parts."""
        wanted = set(parts)
        is_wanted = np.array([part in wanted for part in self.parts], dtype=bool)
        if is_wanted.all():
            return self
        rows = self.kept(is_wanted[self.places])
        places = (np.cumsum(is_wanted) - 1).astype(np.uint32)[rows.places]
        named = tuple(part for part in self.parts if part in wanted)
        return Entries(named, rows.high, rows.low, rows.digests, rows.kinds, places, rows.tokens)


NONE = Entries(
    (),
    np.empty(0, np.uint64),
    np.empty(0, np.uint64),
    np.empty(0, np.uint64),
    np.empty(0, np.uint8),
    np.empty(0, np.uint32),
    np.empty(0, np.uint32),
)
"""No rows."""


def stored_by_id(part: str, rows: pa.Table) -> dict[str, Stored]:
    """The rows of one part by trace id, from its columns `READ`."""
    columns = (rows[name].to_pylist() for name in READ)
    return {
        trace_id: Stored(status, part, is_permanent(code), digest, (prompt or 0) + (completion or 0))
        for trace_id, status, code, digest, prompt, completion in zip(*columns, strict=True)
    }


def entries_of(part: str, rows: pa.Table) -> Entries:
    """The entries of one part, from its columns `READ`."""
    halves, is_id = _numbers(rows["trace_id"], _ID_DIGITS)
    digests, has_digest = _numbers(rows["answer_digest"], _DIGEST_DIGITS)
    statuses = pc.index_in(rows["status"], pa.array(_STATUSES))  # pyright: ignore[reportAttributeAccessIssue]
    known = np.asarray(pc.fill_null(statuses, _ERROR), np.uint8)
    codes = pc.dictionary_encode(rows["error_code"].combine_chunks(), null_encoding="encode")  # pyright: ignore[reportAttributeAccessIssue]
    permanent = np.array([is_permanent(code) for code in codes.dictionary.to_pylist()], bool)
    refused = permanent[np.asarray(codes.indices)] & (known == _ERROR)
    kinds = known + refused * np.uint8(_PERMANENT) + has_digest * np.uint8(_HAS_DIGEST)
    places = np.zeros(len(kinds), np.uint32)
    prompts, completions = (np.asarray(pc.fill_null(rows[name], 0), np.uint32) for name in _TOKENS)  # pyright: ignore[reportAttributeAccessIssue]
    order = np.flatnonzero(is_id)[_order(halves[is_id, 0], halves[is_id, 1])]
    return Entries(
        (part,),
        halves[order, 0],
        halves[order, 1],
        digests[order, 0],
        kinds.astype(np.uint8)[order],
        places[order],
        (prompts + completions)[order],
    )


def entries_by_id(traces: Mapping[str, Stored]) -> Entries:
    """The entries of what is stored by trace id."""
    if not traces:
        return NONE
    halves, is_id = _numbers(pa.chunked_array([pa.array(traces, pa.string())]), _ID_DIGITS)
    held = list(traces.values())
    digests, has_digest = _numbers(
        pa.chunked_array([pa.array([s.answer_digest for s in held], pa.string())]), _DIGEST_DIGITS
    )
    parts = {part: place for place, part in enumerate(dict.fromkeys(s.part for s in held))}
    kinds = np.array([_STATUSES.index(s.status) + _PERMANENT * s.is_permanent for s in held], np.uint8)
    kinds += has_digest * np.uint8(_HAS_DIGEST)
    places = np.array([parts[s.part] for s in held], np.uint32)
    order = np.flatnonzero(is_id)[_order(halves[is_id, 0], halves[is_id, 1])]
    return Entries(
        tuple(parts),
        halves[order, 0],
        halves[order, 1],
        digests[order, 0],
        kinds[order],
        places[order],
        np.array([s.num_tokens for s in held], np.uint32)[order],
    )


def joined(several: Sequence[Entries]) -> Entries:
    """The rows of all; of one trace, those of earlier entries come first."""
    several = [entries for entries in several if entries.parts]
    if len(several) < 2:  # noqa: PLR2004 - nothing to join
        return several[0] if several else NONE
    parts: dict[str, int] = {}
    for entries in several:
        for part in entries.parts:
            parts.setdefault(part, len(parts))
    places = [np.array([parts[p] for p in entries.parts], np.uint32)[entries.places] for entries in several]
    high = np.concatenate([entries.high for entries in several])
    low = np.concatenate([entries.low for entries in several])
    order = _order(high, low)
    return Entries(
        tuple(parts),
        high[order],
        low[order],
        np.concatenate([entries.digests for entries in several])[order],
        np.concatenate([entries.kinds for entries in several])[order],
        np.concatenate(places)[order],
        np.concatenate([entries.tokens for entries in several])[order],
    )


def in_few_pieces(several: Sequence[Entries]) -> tuple[Entries, ...]:
    """The rows of all: large pieces as they are, since to sort them together takes long, and the others as one."""
    large = tuple(entries for entries in several if len(entries) >= _LARGE)
    small = joined([entries for entries in several if len(entries) < _LARGE])
    return (*large, small) if small.parts else large


def doubled(pieces: Sequence[Entries]) -> list[npt.NDArray[np.bool_]]:
    """For each row of each piece, whether its trace has another row in one of the pieces."""
    found = [piece.doubled() for piece in pieces]
    shared: list[Entries] = []
    for pair in itertools.combinations(pieces, 2):
        fewer, more = sorted(pair, key=len)
        if (rows := fewer.are_in(more)).any():
            shared.append(fewer.kept(rows))
    if both := joined(shared):
        found = [rows | piece.are_in(both) for rows, piece in zip(found, pieces, strict=True)]
    return found


def _order(high: U64, low: U64) -> npt.NDArray[np.intp]:
    """The order by id, equal ones as they come; fast where sorted pieces follow one another."""
    order = np.argsort(high, kind="stable")
    ordered_high, ordered_low = high[order], low[order]
    is_tied = (ordered_high[1:] == ordered_high[:-1]) & (ordered_low[1:] != ordered_low[:-1])
    return np.lexsort((low, high)) if is_tied.any() else order


_VALUES = np.full(256, 255, np.uint8)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def _numbers(texts: pa.ChunkedArray, num_digits: int) -> tuple[U64, npt.NDArray[np.bool_]]:
    """Hexadecimal texts as one or two numbers each, and which of them are such."""
    flat = texts.combine_chunks()
    fits = pc.fill_null(pc.equal(pc.binary_length(flat), num_digits), False)  # pyright: ignore[reportAttributeAccessIssue]
    filled = pc.if_else(fits, flat, "0" * num_digits)  # pyright: ignore[reportAttributeAccessIssue]
    numbers = np.empty((len(filled), num_digits // 16), np.uint64)
    is_number = np.asarray(fits)
    for start in range(0, len(filled), _AT_ONCE):
        piece = filled.slice(start, _AT_ONCE).cast(pa.binary()).cast(pa.binary(num_digits))
        digits = np.frombuffer(
            piece.buffers()[1], np.uint8, len(piece) * num_digits, piece.offset * num_digits
        )
        values = _VALUES[digits.reshape(len(piece), num_digits)]
        is_number[start : start + len(piece)] &= (values < 16).all(axis=1)  # noqa: PLR2004 - hexadecimal
        packed = values[:, ::2] << 4 | values[:, 1::2]
        numbers[start : start + len(piece)] = packed.reshape(-1).view(">u8").reshape(len(piece), -1)
    return numbers, is_number
