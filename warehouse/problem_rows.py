"""Every stored row of a few problems of one recipe, straight from its parts: the catalog is not asked.

A part is sorted by problem, so the footer says for each row group between which problems it lies; the others are not
read. Between which problems a part as a whole lies, the inventory says, as far as it names it: of the others not even the
footers are read. What a run under way has stored is found too, and so are failures that an answer followed.
"""

from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.inventory import Span, known_spans
from warehouse.parquet import opened
from warehouse.records import TRACES
from warehouse.store import Store, recipe_folder, retry_if_compacted

_SORTED_BY = "problem_id"


class _Group(NamedTuple):
    """Between which problems a row group lies; None where its footer does not say."""

    first: str | None
    last: str | None

    def may_hold(self, wanted: Sequence[str]) -> bool:
        return any((self.first or "") <= name and (self.last is None or name <= self.last) for name in wanted)


class _Footer(NamedTuple):
    """What is kept of a part's footer."""

    num_rows: int
    groups: list[_Group]


class ProblemRows:
    """Reads a root's traces by problem; footers, which never change, are read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._footers: dict[str, dict[str, _Footer]] = {}
        self._spans: dict[str, dict[str, Span]] = {}
        self._stages: dict[str, str] = {}

    def stage_of(self, recipe: str) -> str | None:
        """The stage that the folder of a recipe is of, which a run may call otherwise; None without a folder."""
        if recipe not in self._stages:
            for folder in self._store.names("traces", suffix="", prefix="stage="):
                if self._store.names(folder, suffix=f"recipe={recipe}"):
                    self._stages[recipe] = folder.rpartition("stage=")[2]
        return self._stages.get(recipe)

    def read(self, recipe: str, problem_ids: Collection[str]) -> pa.Table:
        """Rows of schema `TRACES`, several of one trace where it was made or tried more than once.

        A recipe without a folder has none. Raises UserError for a damaged part.
        """
        return retry_if_compacted(partial(self._read, recipe, sorted(problem_ids)))

    def count(self, recipe: str) -> int:
        """Rows in a recipe's parts, by their footers."""
        footers = retry_if_compacted(partial(self._read_footers, recipe))
        return sum(footer.num_rows for footer in footers.values())

    def _folder(self, recipe: str) -> str:
        return recipe_folder(self.stage_of(recipe) or "", recipe)

    def _read(self, recipe: str, wanted: list[str]) -> pa.Table:
        found = [TRACES.empty_table()]
        for path, footer in self._read_footers(recipe, wanted).items():
            places = [place for place, group in enumerate(footer.groups) if group.may_hold(wanted)]
            if places:
                found.append(self._rows(path, places, wanted))
        return pa.concat_tables(found)

    def _read_footers(self, recipe: str, wanted: Sequence[str] | None = None) -> dict[str, _Footer]:
        """Those of a recipe's parts, all or those that may hold some problems."""
        folder = self._folder(recipe)
        known = self._footers.setdefault(folder, {})
        parts = self._store.names(folder, prefix="part-")
        if wanted is not None:
            if recipe not in self._spans:
                self._spans[recipe] = known_spans(self._store, recipe)
            spans = self._spans[recipe]
            parts = [part for part in parts if _Group(*spans.get(part, (None, None))).may_hold(wanted)]
        known |= {path: self._footer(path) for path in parts if path not in known}
        return {path: known[path] for path in parts}

    def _footer(self, path: str) -> _Footer:
        with self._store.opened_file(path) as file:
            footer = opened(file).metadata
            column = footer.schema.names.index(_SORTED_BY)
            stated = (
                footer.row_group(place).column(column).statistics for place in range(footer.num_row_groups)
            )
            groups = [_Group(s.min, s.max) if s and s.has_min_max else _Group(None, None) for s in stated]
            return _Footer(footer.num_rows, groups)

    def _rows(self, path: str, places: Sequence[int], wanted: list[str]) -> pa.Table:
        with self._store.opened_file(path) as file:
            part = opened(file)
            names = part.schema_arrow.names
            held = [field.name for field in TRACES if field.name in names]
            groups = []
            for place in places:
                group = part.read_row_group(place, columns=held, use_threads=False)
                groups.append(group.filter(pc.is_in(group[_SORTED_BY], pa.array(wanted))))  # pyright: ignore[reportAttributeAccessIssue]
        table = pa.concat_tables(groups)
        for field in TRACES:
            if field.name not in names:  # a part of an earlier layout
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        return table.select(TRACES.names)
