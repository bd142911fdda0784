"""Turns a log's samples into a recording under the root: spooled on arrival, sorted on disk, named by content.

Memory holds a few numbers per sample and a digest per problem, never the texts, so a log of any size can be
imported. The folder is written under a temporary name and renamed, so it is either complete or absent.
"""

import bisect
import hashlib
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.engines.replay.recorded_outputs import DETAILS
from tasks.exchange.imports.samples import Judgement, LogHeader, ReadReport, Sample
from warehouse.files import place_folder
from warehouse.identity import problem_digest
from warehouse.recordings import OUTPUTS, ROWS_AT_ONCE, RecordingDigest
from warehouse.relations import statement

OUTPUTS_FILE, ABOUT_FILE = "outputs.parquet", "import.json"
_SPOOLED_BYTES = 16 * 2**20
_SORT_MEMORY = "512MB"
_ERROR_LENGTH = 500
_SPOOL = pa.schema([("place", pa.int32()), ("sample_index", pa.int32()), ("arrival", pa.int64()), *OUTPUTS])


@dataclass(slots=True)
class KnownProblem:
    """What is kept in memory about a problem while the log is read."""

    index: int
    digest: str
    gold: str
    owns_question: bool
    """Whether its outputs are kept; of problems with the same question, only the first one's are."""
    indexes: list[int] = field(default_factory=list)
    """The log's own sample indexes."""

    def rank(self, sample_index: int) -> int:
        """A sample's index in the store: its rank among the problem's samples."""
        return bisect.bisect_left(self.indexes, sample_index)

    def has(self, sample_index: int) -> bool:
        """Whether this sample was taken over already; samples mostly come in order."""
        return bool(self.indexes) and sample_index <= self.indexes[-1] and sample_index in self.indexes


@dataclass(slots=True)
class Recording:
    """A recording under the root, with counts of the log's problems and samples."""

    name: str
    folder: Path
    problems: dict[str, KnownProblem]
    benchmark: str
    num_samples: int
    """The largest number of samples of any problem."""
    num_outputs: int
    num_failed: int
    """Samples that the log records as failed."""
    num_uneven: int
    """Problems with fewer than `num_samples` samples."""
    num_shared: int
    """Problems that repeat the question of an earlier one."""
    is_new: bool


class Recorder:
    """Writes a recording in a temporary folder next to its final one."""

    def __init__(self, imports: Path, benchmark: str, report: ReadReport) -> None:
        self._imports, self._benchmark, self._report = imports, benchmark, report
        self._temporary = imports / f".{uuid.uuid4().hex[:8]}.tmp"
        self._problems: dict[str, KnownProblem] = {}
        self._owners: dict[bytes, tuple[str, KnownProblem]] = {}
        self._refused: tuple[str, int] | None = None
        self._rows: list[dict[str, Any]] = []
        self._num_bytes = 0
        self._arrival = self._num_failed = self._num_shared = 0

    def __enter__(self) -> Self:
        self._temporary.mkdir(parents=True)
        self._lines = (self._temporary / f"{self._benchmark}.jsonl").open("wb")
        self._spool = pq.ParquetWriter(self._temporary / "spool", _SPOOL, compression="zstd")
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()
        self._lines.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def take(self, records: Iterable[Sample | Judgement]) -> Iterator[Judgement]:
        """Spool every sample and pass on the judgements as they arrive."""
        for record in records:
            if isinstance(record, Judgement):
                if (record.problem_id, record.sample_index) != self._refused:
                    yield record
                continue
            reason = self._add(record)
            self._refused = (record.problem_id, record.sample_index) if reason else None
            if reason:
                self._report.broken(f"{record.where or 'the log'}: problem {record.problem_id} {reason}")

    def _add(self, sample: Sample) -> str | None:
        """Spool a sample; returns why not, where it contradicts the earlier ones."""
        known = self._problems.get(sample.problem_id)
        digest = problem_digest(sample.question)
        owner_id, owner = self._owners.get(_words(sample.question), (sample.problem_id, None))
        if known is not None and known.digest != digest:
            return "has two different questions; name a column of unique ids with --id"
        if (earlier := known or owner) is not None and earlier.gold != sample.gold:
            return (
                f"has the gold answer {sample.gold!r}, where an earlier line has {earlier.gold!r} for the same question; "
                "outputs are found by question, so keep one answer"
            )
        if known is None:
            known = self._new_problem(sample, digest)
        if not known.owns_question:
            return (
                f"repeats the question of problem {owner_id}, whose outputs stand for both; if these are samples of one "
                "problem, name a column with its id (--id)"
            )
        if known.has(sample.sample_index):
            return f"has sample {sample.sample_index + 1} twice; the first is used"
        known.indexes.append(sample.sample_index)
        recorded = sample.recorded
        self._num_failed += recorded.output is None
        row = {"question": sample.question} | {name: getattr(recorded, name) for name in DETAILS}
        row |= {"output": recorded.output, "score": recorded.score}
        row["error"] = recorded.error[:_ERROR_LENGTH] if recorded.error and recorded.output is None else None
        self._rows.append(
            {"place": known.index, "sample_index": sample.sample_index, "arrival": self._arrival, **row}
        )
        self._arrival += 1
        self._num_bytes += (
            len(recorded.output or "") + len(recorded.reasoning or "") + len(sample.question) + 100
        )
        if self._num_bytes > _SPOOLED_BYTES:
            self._flush()
        return None

    def _new_problem(self, sample: Sample, digest: str) -> KnownProblem:
        words = _words(sample.question)
        known = KnownProblem(
            len(self._problems), digest, sample.gold, owns_question=words not in self._owners
        )
        self._owners.setdefault(words, (sample.problem_id, known))
        self._problems[sample.problem_id] = known
        self._num_shared += not known.owns_question
        own = {"id": sample.problem_id, "question": sample.question, "gold": sample.gold}
        others = {f"log_{name}" if name in own else name: value for name, value in sample.metadata.items()}
        self._lines.write(orjson.dumps({**own, **others}, default=str, option=orjson.OPT_APPEND_NEWLINE))
        return known

    def _flush(self) -> None:
        self._spool.write_table(pa.Table.from_pylist(self._rows, schema=_SPOOL))
        self._rows, self._num_bytes = [], 0

    def finish(self, header: LogHeader, identity: dict[str, Any], sources: list[str]) -> Recording:
        """Sort the outputs, name the folder by its content and move it into place unless it already exists."""
        self._flush()
        self._spool.close()
        self._lines.close()
        digest = RecordingDigest(identity)
        with (self._temporary / f"{self._benchmark}.jsonl").open("rb") as lines:
            for line in lines:
                digest.add_problem(line)
        self._sort(digest)
        (self._temporary / "spool").unlink()
        about = {
            "identity": identity,
            **asdict(header),
            "sources": sources,
            "num_broken": self._report.num_broken,
            "broken": self._report.breaks,
        }
        (self._temporary / ABOUT_FILE).write_bytes(
            orjson.dumps(about, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )
        folder = self._imports / digest.name
        is_new = not folder.exists()
        if is_new:
            place_folder(self._temporary, folder)
        for known in self._problems.values():
            known.indexes.sort()
        counts = [len(known.indexes) for known in self._problems.values() if known.owns_question]
        return Recording(
            name=digest.name,
            folder=folder,
            problems=self._problems,
            benchmark=self._benchmark,
            num_samples=max(counts, default=0),
            num_outputs=sum(counts) - self._num_failed,
            num_failed=self._num_failed,
            num_uneven=sum(count < max(counts) for count in counts),
            num_shared=self._num_shared,
            is_new=is_new,
        )

    def _sort(self, digest: RecordingDigest) -> None:
        """Order the spool by problem and sample, on disk if it does not fit into memory."""
        settings: dict[str, Any] = {
            "memory_limit": _SORT_MEMORY,
            "temp_directory": str(self._temporary),
            "threads": 1,
        }
        with (
            duckdb.connect(config=settings) as connection,
            pq.ParquetWriter(
                self._temporary / OUTPUTS_FILE, OUTPUTS, compression="zstd", compression_level=3
            ) as writer,
        ):
            connection.execute("set timezone = 'UTC'")
            found = connection.execute(
                statement("exchange/outputs"), {"spool": str(self._temporary / "spool")}
            )
            for batch in found.to_arrow_reader(ROWS_AT_ONCE):
                table = pa.Table.from_batches([batch]).cast(OUTPUTS)
                digest.add_outputs(table.to_pylist())
                writer.write_table(table, row_group_size=ROWS_AT_ONCE)


def _words(question: str) -> bytes:
    """What two questions share that differ only in white space; a recording's outputs are found by it."""
    return hashlib.sha256(" ".join(question.split()).encode()).digest()[:16]
