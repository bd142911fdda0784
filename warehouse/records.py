"""The rows that are stored, and the Parquet schemas they are stored in.

`stage` and `recipe` of a trace, and the grader of a grade, are in the folder names (hive
partitions), not in the files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from warehouse.columns import TRACE_COLUMNS
from warehouse.identity import problem_digest

UTC = pa.timestamp("us", tz="UTC")
TraceRow = Mapping[str, Any]
"""A trace with columns of `TRACES`, of which some may be missing."""

PROBLEMS = pa.schema(
    [
        ("problem_digest", pa.string()),
        ("benchmark", pa.string()),
        ("problem_id", pa.string()),
        ("question", pa.string()),
        ("gold", pa.string()),
        ("metadata", pa.string()),
    ]
)

_KINDS = {
    "string": pa.string(),
    "strings": pa.list_(pa.string()),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp": UTC,
}
TRACES = pa.schema([(name, _KINDS[kind]) for name, kind in TRACE_COLUMNS.items()])

_FIRST_LAYOUT = 19
TRACE_LAYOUTS = tuple(pa.schema(list(TRACES)[:n]) for n in range(len(TRACES), _FIRST_LAYOUT - 1, -1))
"""Every schema that a trace part may have, the present one first; a column that one lacks is NULL."""

GRADES = pa.schema(
    [
        ("trace_id", pa.string()),
        ("problem_digest", pa.string()),
        ("gold", pa.string()),
        ("verdict", pa.string()),
        ("is_correct", pa.bool_()),
        ("extracted", pa.string()),
        ("vote_key", pa.string()),
        ("points", pa.float64()),
        ("answer_digest", pa.string()),
        ("decided_by", pa.string()),
    ]
)

_FIRST_GRADES = 7
GRADE_LAYOUTS = tuple(pa.schema(list(GRADES)[:n]) for n in range(len(GRADES), _FIRST_GRADES - 1, -1))
"""The same of grade parts."""

LAYOUTS: Mapping[str, pa.Schema] = {"traces": TRACES, "grades": GRADES}
"""The present layout of parts that had earlier ones, by their folder."""

CORRECTIONS = pa.schema(
    [
        ("source", pa.string()),
        ("line", pa.int32()),
        ("trace_id", pa.string()),
        ("problem_digest", pa.string()),
        ("problem_id", pa.string()),
        ("answer", pa.string()),
        ("vote_key", pa.string()),
        ("verdict", pa.string()),
        ("who", pa.string()),
        ("why", pa.string()),
        ("entered_at", UTC),
        ("is_withdrawn", pa.bool_()),
    ]
)

MEMBERS = pa.schema(
    [
        ("stage", pa.string()),
        ("problem_id", pa.string()),
        ("problem_digest", pa.string()),
        ("sample_index", pa.int32()),
        ("trace_id", pa.string()),
        ("gold", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One benchmark item."""

    problem_digest: str
    benchmark: str
    problem_id: str
    question: str
    gold: str
    metadata: str
    """JSON text of the remaining columns."""

    @classmethod
    def of(
        cls, *, benchmark: str, problem_id: str, question: str, gold: str, metadata: Mapping[str, object]
    ) -> "Problem":
        """The problem of its parts; its identity is the digest of the question."""
        text = orjson.dumps(dict(metadata), default=str).decode()
        return cls(problem_digest(question), benchmark, problem_id, question, gold, text)


class Wanted(NamedTuple):
    """One trace an experiment wants: enough to make it, to store it, and to know that it is stored."""

    trace_id: str
    problem_digest: str
    problem_id: str
    sample_index: int
    reference_ids: tuple[str, ...] = ()


class Member(NamedTuple):
    """One trace that a run wanted, made or not, and the gold answer it is compared with."""

    stage: str
    problem_id: str
    problem_digest: str
    sample_index: int
    trace_id: str
    gold: str
