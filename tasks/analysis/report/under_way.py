"""Runs under way: what their journals and the parts of their recipes hold, before any catalog knows them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tasks.analysis.report.entries import Entry, ProblemTexts, RunSource, StoredTraces
from tasks.analysis.report.live_root import LiveRoot
from tasks.analysis.report.sent import stage_source
from warehouse.catalog import Row, Rows
from warehouse.identity import Recipe
from warehouse.journal import rows_table
from warehouse.journal_tail import JournalTail, JournalTails
from warehouse.store import Store
from warehouse.writers import is_alive

PSEUDO_RUN = "under way"
"""What stands for a run's id in the entry of a problem under way."""


@dataclass(frozen=True, slots=True)
class StageUnderWay:
    """A recipe that has journals."""

    stage: str
    recipe: str
    model: str
    num_arrived: int
    """Traces in journals, failures among them."""
    num_failures: int
    num_stored: int
    """Rows in the recipe's parts, those of earlier runs too."""
    is_alive: bool
    """Whether a process that writes one of the journals is at work; else the next run takes them over."""
    latest: list[str]
    """The problems that something came of last."""


class UnderWay:
    """Follows the journals of a root."""

    def __init__(self, root: LiveRoot) -> None:
        self._root, self._tails = root, JournalTails(root.store)

    def stages(self) -> list[StageUnderWay]:
        """Every recipe with journals, as they are now."""
        return [self._stage(tails) for tails in self._by_recipe().values()]

    def problem(self, stage: str, key: str, problem_id: str) -> Entry:
        """What has come of a problem so far, in a stage and in those it reads; no trace where nothing has.

        Raises UserError for a recipe that the root does not have.
        """
        recipes = {
            (one.stage, one.key): one for one in self._with_reads(self._root.store.read_recipe(stage, key))
        }
        by_recipe, stored, digests = self._by_recipe(), StoredTraces(), list[str]()
        for name, recipe in recipes:
            rows = self._rows(recipe, problem_id, by_recipe.get((name, recipe), []))
            stored.add(name, recipe, rows)
            digests += rows["problem_digest"].to_pylist()
        question = _question(self._root, digests[0]) if digests else {}
        problem = ProblemTexts(
            digests[0] if digests else "", question.get("question"), question.get("metadata"), None
        )
        source = RunSource({name: stage_source(self._root.store, name, one) for name, one in recipes})
        problem.add_run(PSEUDO_RUN, list(_samples(stored)), stored, source)
        return problem.content()

    def _by_recipe(self) -> dict[tuple[str, str], list[JournalTail]]:
        found: dict[tuple[str, str], list[JournalTail]] = {}
        for tail in self._tails.followed():
            found.setdefault((tail.recipe.stage, tail.recipe.key), []).append(tail)
        return found

    def _stage(self, tails: list[JournalTail]) -> StageUnderWay:
        recipe, store = tails[0].recipe, self._root.store
        latest = {name: None for tail in tails for name in tail.latest}
        return StageUnderWay(
            stage=recipe.stage,
            recipe=recipe.key,
            model=str(orjson.loads(recipe.content)["model"].get("id")),
            num_arrived=sum(tail.num_traces for tail in tails),
            num_failures=sum(tail.num_failures for tail in tails),
            num_stored=self._root.texts.rows.count(recipe.key),
            is_alive=any(tail.writer and is_alive(store, tail.writer) for tail in tails),
            latest=list(latest),
        )

    def _rows(self, recipe: str, problem_id: str, tails: list[JournalTail]) -> pa.Table:
        arrived: list[object] = []
        for tail in tails:
            try:
                arrived += tail.rows(problem_id)
            except OSError:  # it has become a part meanwhile
                continue
        return pa.concat_tables(
            [self._root.texts.rows.read(recipe, [problem_id]), rows_table(arrived)]  # pyright: ignore[reportArgumentType]
        )

    def _with_reads(self, recipe: Recipe) -> Iterator[Recipe]:
        """The recipe, and those its references come from, first."""
        read = orjson.loads(recipe.content).get("explorer") or []
        for digest in [read] if isinstance(read, str) else read:
            stage = self._root.texts.rows.stage_of(digest[:16])
            if stage:
                yield from self._with_reads(self._root.store.read_recipe(stage, digest[:16]))
        yield recipe


def _samples(stored: StoredTraces) -> Iterator[Row]:
    """A row for each trace, as a run's are; nothing is graded yet."""
    unknown = dict.fromkeys(
        ("gold", "verdict", "points", "extracted", "decided_by", "is_by_hand", "why_by_hand")
    )
    for trace in sorted(
        stored.by_id.values(),
        key=lambda t: (bool(t.row["reference_ids"]), t.row["stage"], t.row["sample_index"]),
    ):
        row = trace.row
        yield {
            **unknown,
            "trace_id": row["trace_id"],
            "stage": row["stage"],
            "round": int(bool(row["reference_ids"])),
            "sample_index": row["sample_index"],
        }


def _question(root: LiveRoot, digest: str) -> Row:
    """Question and metadata; from the root's own files where the catalog does not know the problem yet."""
    return root.question(digest) or next(
        (
            row
            for part in root.store.names("problems", prefix="part-")
            for row in _problems(root.store, part, digest)
        ),
        {},
    )


@lru_cache(maxsize=256)
def _problems(store: Store, part: str, digest: str) -> Rows:
    rows = store.read_part(part, ["problem_digest", "question", "metadata"])
    return rows.filter(pc.equal(rows["problem_digest"], digest)).to_pylist()  # pyright: ignore[reportAttributeAccessIssue]
