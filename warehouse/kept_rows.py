"""Rows of hub data sets that a root keeps, so that a run whose revision is pinned asks nobody for them.

One file per data set, configuration, split and revision: `benchmarks/<hash16>.jsonl`, whose first line says what it is and
holds the digest of the lines below. Rows are kept only where JSON gives back exactly what was read.
"""

import hashlib
import re

import orjson

from configs.experiment import HubBenchmark
from warehouse.canonical import digest
from warehouse.store import Store

Row = dict[str, object]
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_pinned(benchmark: HubBenchmark) -> bool:
    """Whether the revision is a commit, which never means other rows."""
    return bool(_COMMIT.fullmatch(benchmark.revision))


def kept_rows(store: Store, benchmark: HubBenchmark) -> list[Row] | None:
    """The rows as the root keeps them; None where it has none, or where its file is damaged."""
    try:
        head, _, lines = store.read_unchanged(_path(benchmark)).partition(b"\n")
    except FileNotFoundError:
        return None
    return [orjson.loads(line) for line in lines.split(b"\n")[:-1]] if _is_digest_of(head, lines) else None


def is_whole(data: bytes) -> bool:
    """Whether a file of kept rows is as it was written."""
    head, _, lines = data.partition(b"\n")
    return _is_digest_of(head, lines)


def keep_rows(store: Store, benchmark: HubBenchmark, rows: list[Row]) -> None:
    """Keep rows that the hub gave; those with values that JSON does not know are asked for again by the next run."""
    try:
        lines = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    except TypeError:
        return
    if [orjson.loads(line) for line in lines.split(b"\n")[:-1]] == rows:
        head = orjson.dumps({**_source(benchmark), "digest": _digest(lines)})
        store.write_bytes(_path(benchmark), head + b"\n" + lines)


def _path(benchmark: HubBenchmark) -> str:
    return f"benchmarks/{digest(_source(benchmark))[:16]}.jsonl"


def _source(benchmark: HubBenchmark) -> dict[str, object]:
    return benchmark.model_dump(include={"path", "config", "split", "revision"})


def _is_digest_of(head: bytes, lines: bytes) -> bool:
    try:
        return orjson.loads(head)["digest"] == _digest(lines)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False


def _digest(lines: bytes) -> str:
    return hashlib.sha256(lines).hexdigest()
