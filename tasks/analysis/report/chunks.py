"""The texts of a report, problem by problem, in compressed chunks that the page opens on demand.

Memory stays bounded: traces are read in batches of about `BATCH_CHARACTERS`, and `TextLimits` bounds
what is embedded. Token counts decide beforehand which problems have their texts in the page. The most
interesting ones come first: those where the synthesizer overrode the vote.
"""

import base64
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from tasks.analysis.report.data import Findings
from tasks.analysis.report.texts import TextReader
from tasks.progress import StageProgress
from tasks.prompts.references import CHARACTERS_PER_TOKEN
from warehouse.catalog import Rows, connect
from warehouse.store import Store

BATCH_CHARACTERS = 32_000_000
CHUNK_BYTES = 400_000
"""Of JSON, before compression; opening a problem unpacks one chunk."""
COMPRESSION = 6


@dataclass(frozen=True, slots=True)
class TextLimits:
    """How much text a report embeds."""

    total: int = 64_000_000
    """Characters, estimated from token counts; problems beyond the limit have everything except their texts."""
    each: int = 16_000
    """Characters of one text; of a longer one the first quarter and the last three quarters of this length are kept."""


@dataclass
class Embedded:
    """What was embedded; complete once all chunks are written."""

    chunk_of: list[int | None] = field(default_factory=list)
    """The chunk of each wording, by its index."""
    num_traces: int = 0
    num_cut: int = 0
    """Texts whose middle was left out."""


@dataclass(frozen=True, slots=True)
class _Wording:
    index: int
    digest: str
    problem_id: str
    characters: int
    rank: int


def chunks(
    store: Store, found: Findings, limits: TextLimits, embedded: Embedded, progress: StageProgress
) -> Iterator[str]:
    """The chunks as base64 of gzipped JSON: index → question, traces, and the samples of each run."""
    wordings = _wordings(found.problems)
    embedded.chunk_of = [None] * len(wordings)
    configs, reader = {run["run_id"]: run["config"] for run in found.runs}, TextReader(store)
    number, entries, size = 0, list[bytes](), 0
    kept = _within(wordings, limits.total)
    progress.expect("report", len(kept))
    with connect(store) as catalog:
        for batch in _batches(kept):
            indexes = {wording.digest: wording.index for wording in batch}
            for problem in reader.read(catalog, configs, list(indexes), limits.each):
                index, entry = indexes[problem.digest], problem.content()
                embedded.num_traces += len(problem.traces)
                embedded.num_cut += problem.num_cut
                packed = b'"%d":%b' % (index, orjson.dumps(entry, option=orjson.OPT_UTC_Z))
                embedded.chunk_of[index] = number
                entries.append(packed)
                size += len(packed)
                if size >= CHUNK_BYTES:
                    yield packed_text(b"{%b}" % b",".join(entries))
                    number, entries, size = number + 1, [], 0
            progress.advance("report", count=len(batch))
    if entries:
        yield packed_text(b"{%b}" % b",".join(entries))


def packed_text(data: bytes) -> str:
    """Gzip in base64: compact, and unable to close the element around it."""
    return base64.b64encode(gzip.compress(data, COMPRESSION, mtime=0)).decode()


def _wordings(problems: Rows) -> list[_Wording]:
    """Each wording once, with the size of its texts in all runs and its rank of interest."""
    merged: dict[int, _Wording] = {}
    for problem in problems:
        index = problem["place"]
        size = CHARACTERS_PER_TOKEN * (problem["num_tokens"] or 0)
        rank = {"rescued": 0, "harmed": 0, "kept": 2}.get(problem["outcome"], 1)
        known = merged.get(index)
        merged[index] = _Wording(
            index,
            problem["problem_digest"],
            problem["problem_id"],
            size + (known.characters if known else 0),
            min(rank, known.rank if known else rank),
        )
    return list(merged.values())


def _within(wordings: Sequence[_Wording], total: int) -> list[_Wording]:
    kept, used = [], 0
    for wording in sorted(wordings, key=lambda w: (w.rank, w.index)):
        used += wording.characters
        if used > total and kept:
            break
        kept.append(wording)
    return sorted(kept, key=lambda w: w.index)


def _batches(wordings: Sequence[_Wording]) -> Iterator[list[_Wording]]:
    batch, size = list[_Wording](), 0
    for wording in wordings:
        batch.append(wording)
        size += wording.characters
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
