"""Reads what happened to a problem in some runs: its traces with their texts, what was sent, what a judge said of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import duckdb
from pydantic import JsonValue

from tasks.analysis.report.entries import ProblemTexts, RunSource, StoredTraces
from tasks.analysis.report.sent import judge_source, stage_source, template_names
from warehouse.catalog import Rows, rows
from warehouse.problem_rows import ProblemRows
from warehouse.relations import statement
from warehouse.store import Store


class TextReader:
    """Reads texts of a root's problems; what is the same for all problems of a run is found out once."""

    def __init__(self, store: Store) -> None:
        self.store, self.rows = store, ProblemRows(store)
        self._sources: dict[str, RunSource] = {}

    def read(
        self,
        catalog: duckdb.DuckDBPyConnection,
        configs: Mapping[str, Mapping[str, JsonValue]],
        digests: Sequence[str],
        longest: int | None = None,
    ) -> Iterator[ProblemTexts]:
        """The problems of these wordings that the runs have, by digest.

        Args:
            catalog: The published one.
            configs: The experiments of the runs as they were run, by run id.
            digests: Of the wordings.
            longest: Characters of a text beyond which its middle is left out; None: of none.
        """
        asked = {"run_ids": list(configs), "problem_digests": list(digests)}
        recipes = rows(catalog, statement("report/recipes"), {"run_ids": list(configs)})
        known = {
            row["problem_digest"]: row
            for row in rows(
                catalog, statement("report/questions"), {"problem_digests": asked["problem_digests"]}
            )
        }
        names = {name for row in known.values() for name in row["problem_ids"]}
        stored = self.stored({row["recipe"] for row in recipes}, names)
        samples = rows(catalog, statement("report/samples"), asked)
        for digest, of_problem in groupby(samples, key=itemgetter("problem_digest")):
            row = known.get(digest, {})
            problem = ProblemTexts(digest, row.get("question"), row.get("metadata"), longest)
            for run_id, of_run in groupby(of_problem, key=itemgetter("run_id")):
                source = self._source(run_id, configs[run_id], recipes)
                problem.add_run(run_id, list(of_run), stored, source)
            yield problem

    def stored(self, recipes: set[str], problem_ids: set[str]) -> StoredTraces:
        """What the store has of problems in recipes."""
        found = StoredTraces()
        for recipe in sorted(recipes):
            stage = self.rows.stage_of(recipe)
            if stage:
                found.add(stage, recipe, self.rows.read(recipe, problem_ids))
        return found

    def _source(self, run_id: str, config: Mapping[str, JsonValue], recipes: Rows) -> RunSource:
        if run_id not in self._sources:
            mine = {row["stage"]: row for row in recipes if row["run_id"] == run_id}
            judge = mine.pop("judge", None)
            stages = {
                stage: stage_source(
                    self.store,
                    self.rows.stage_of(row["recipe"]) or stage,
                    row["recipe"],
                    *template_names(config, row["settings"]),
                )
                for stage, row in mine.items()
            }
            self._sources[run_id] = RunSource(
                stages, judge_source(self.store, config, judge["recipe"]) if judge else None
            )
        return self._sources[run_id]
