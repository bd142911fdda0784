"""The texts of a report, problem by problem, in compressed chunks that the page opens on demand.

Memory stays bounded: traces are read in batches of about `BATCH_CHARACTERS`, and `TextLimits` bounds
what is embedded. Token counts decide beforehand which problems have their texts in the page. The most
interesting ones come first: those where the synthesizer overrode the vote.
"""

import base64
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import duckdb
import orjson

from configs.roles import References
from tasks.analysis.report.data import Findings
from tasks.analysis.report.entries import Entry, ProblemTexts, reference_policy
from tasks.progress import StageProgress
from tasks.prompts.references import CHARACTERS_PER_TOKEN
from warehouse.catalog import Rows, connect, rows
from warehouse.relations import statement
from warehouse.store import Store

Policies = dict[str, dict[str, References | None]]
"""How references were cut, by run and stage."""

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
    policies = _policies(store, found)
    number, entries, size = 0, list[bytes](), 0
    kept = _within(wordings, limits.total)
    progress.expect("report", len(kept))
    with connect(store) as catalog:
        for batch in _batches(kept):
            for index, entry in _entries(catalog, batch, policies, limits.each, embedded):
                packed = b'"%d":%b' % (index, orjson.dumps(entry))
                embedded.chunk_of[index] = number
                entries.append(packed)
                size += len(packed)
                if size >= CHUNK_BYTES:
                    yield packed_text(b"{%b}" % b",".join(entries))
                    number, entries, size = number + 1, [], 0
            progress.advance("report", count=len(batch))
    if entries:
        yield packed_text(b"{%b}" % b",".join(entries))


def _policies(store: Store, found: Findings) -> Policies:
    configs = {run["run_id"]: run["config"] for run in found.runs}
    policies: Policies = {run_id: {} for run_id in configs}
    with connect(store) as catalog:
        read = catalog.execute(
            "select run_id, stage, settings from store.roles where list_contains($runs, run_id)",
            {"runs": list(configs)},
        ).fetchall()
    for run_id, stage, settings in read:
        policies[run_id][stage] = reference_policy(configs[run_id], settings)
    return policies


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


def _entries(
    catalog: duckdb.DuckDBPyConnection,
    batch: Sequence[_Wording],
    policies: Policies,
    longest: int,
    embedded: Embedded,
) -> Iterator[tuple[int, Entry]]:
    digests = {"problem_digests": [w.digest for w in batch]}
    questions = dict(catalog.execute(statement("report/questions"), digests).fetchall())
    recipes = catalog.execute(
        "select distinct recipe from store.roles where list_contains($runs, run_id)", {"runs": list(policies)}
    ).fetchall()
    read = rows(
        catalog,
        statement("report/texts"),
        digests
        | {
            "run_ids": list(policies),
            "recipes": [row[0] for row in recipes],
            "problem_ids": list({w.problem_id for w in batch}),
        },
    )
    indexes = {w.digest: w.index for w in batch}
    for digest, samples in groupby(read, key=lambda row: row["problem_digest"]):
        entry = ProblemTexts(questions.get(digest), longest)
        for run_id, run_samples in groupby(samples, key=lambda row: row["run_id"]):
            entry.add_run(run_id, list(run_samples), policies[run_id])
        embedded.num_traces += len(entry.traces)
        embedded.num_cut += entry.num_cut
        yield indexes[digest], entry.content()
