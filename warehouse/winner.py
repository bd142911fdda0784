"""Which of several rows of one trace counts: one rule for journals, index, load and compaction.

Two runs at once, or a run whose journal was recovered late, can leave two rows of one trace. An answer counts
before a failure; of two answers the one that was requested first; of two failures the last. The rule reads
nothing but the rows, so every reader chooses the same one whatever part it is in and whenever it arrived.
`sql/macros/answer_rank.sql` is the same rule for SQL.
"""

import hashlib
import math
from collections.abc import Sequence

import pyarrow as pa

RANKED = ("started_at", "latency_seconds", "num_completion_tokens", "answer_digest")
"""Columns by which answers to one trace are ranked, the lowest first and NULL last."""
_LAST = (2**63, math.inf, 2**63, "~")
"""What stands for NULL in each of them."""


def answer_digest(status: str, answer: str | None) -> str | None:
    """What a verdict was reached on, 16 hexadecimal digits of SHA-256; None for a failure, which has no answer."""
    if status == "error":
        return None
    text = f"{status}\x00{answer or ''}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def is_of_answer(judged: str | None, shown: str | None) -> bool:
    """Whether a verdict with that digest is of the answer with this one; older rows have none and are believed."""
    return judged is None or shown is None or judged == shown


def winners(rows: pa.Table) -> Sequence[int]:
    """Positions of the rows that count, one per trace, in the order in which the traces appear.

    Of rows that are equal in all ranked columns the first answer or the last failure counts.
    """
    ids = rows["trace_id"]
    if len(ids.unique()) == rows.num_rows:
        return range(rows.num_rows)
    best: dict[str, tuple[tuple[object, ...], int]] = {}
    starts = rows["started_at"].cast(pa.int64()).to_pylist()
    others = (rows[name].to_pylist() for name in ("status", *RANKED[1:]))
    for place, (trace_id, start, status, *rest) in enumerate(
        zip(ids.to_pylist(), starts, *others, strict=True)
    ):
        if status == "error":
            rank: tuple[object, ...] = (1, -(start or 0), -place)
        else:
            values = (
                last if value is None else value for value, last in zip((start, *rest), _LAST, strict=True)
            )
            rank = (0, *values, place)
        if trace_id not in best or rank < best[trace_id][0]:
            best[trace_id] = (rank, place)
    return [place for _, place in best.values()]
