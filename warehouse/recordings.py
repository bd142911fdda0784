"""Recorded outputs under a root: what an import leaves, in a folder named after its content.

`imports/<hash16>/` holds `<benchmark>.jsonl` (the problems), `outputs.parquet` (one row an output, by
problem and sample), `import.json` (what the log said of itself) and `experiment.yaml`, which people may
edit. The name is the start of a SHA-256 over what decides the traces: model and sampling, every problem,
every output. It is taken over the rows, not over the files' bytes, so that another version of Parquet
gives the same name, and an import that is repeated finds itself.
"""

import hashlib
from collections.abc import Iterable, Mapping

import orjson
import pyarrow as pa

from warehouse.parquet import opened
from warehouse.records import UTC

OUTPUTS = pa.schema(
    [
        ("question", pa.string()),
        ("output", pa.string()),
        ("reasoning", pa.string()),
        ("finish_reason", pa.string()),
        ("num_prompt_tokens", pa.int32()),
        ("num_completion_tokens", pa.int32()),
        ("started_at", UTC),
        ("latency_seconds", pa.float64()),
        ("score", pa.float64()),
        ("error", pa.string()),
    ]
)
"""A row without `output` is a recorded failure, with `error` saying why."""


ROWS_AT_ONCE = 256


class RecordingDigest:
    """The name of a recording, from its parts in order."""

    def __init__(self, identity: Mapping[str, object]) -> None:
        self._hash = hashlib.sha256(_line(identity))

    def add_problem(self, line: bytes) -> None:
        """One line of the problems' file, its newline included."""
        self._hash.update(line)

    def add_outputs(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Rows of `OUTPUTS`."""
        for row in rows:
            self._hash.update(_line(row))

    @property
    def name(self) -> str:
        """16 hexadecimal digits."""
        return self._hash.hexdigest()[:16]


def _line(value: Mapping[str, object]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def recording_name(about: bytes, problems: bytes, outputs: bytes) -> str:
    """The name that a recording's files should have, from their bytes.

    Raises ValueError for JSON, ArrowException for Parquet that cannot be read, KeyError for a missing field.
    """
    digest = RecordingDigest(orjson.loads(about)["identity"])
    for line in problems.splitlines(keepends=True):
        digest.add_problem(line)
    with opened(pa.BufferReader(outputs)) as rows:
        for batch in rows.iter_batches(ROWS_AT_ONCE, use_threads=False):
            digest.add_outputs(batch.to_pylist())
    return digest.name
