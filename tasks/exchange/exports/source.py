"""A run as an export reads it: its roles from the manifest, its traces as one ordered stream from the catalog."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from warehouse.catalog import connect
from warehouse.identity import Recipe
from warehouse.manifest import Manifest, read_manifest
from warehouse.naming import resolve
from warehouse.relations import statement
from warehouse.store import Store

ROWS_AT_ONCE = 256
_SORT_MEMORY = "1GB"


@dataclass(frozen=True, slots=True)
class Source:
    """A run under export."""

    store: Store
    catalog: duckdb.DuckDBPyConnection
    manifest: Manifest

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.manifest.run_id

    @property
    def stages(self) -> tuple[str, ...]:
        """The run's stages, in order."""
        return tuple(self.manifest.stages)

    @property
    def explorers(self) -> tuple[str, ...]:
        """The stages that read none."""
        return tuple(name for name, stage in self.manifest.stages.items() if stage.role.round == 0)

    @property
    def reader(self) -> str | None:
        """The last stage that reads another one, whose answers are the run's; None: the run has none."""
        read = [name for name, stage in self.manifest.stages.items() if stage.role.num_references is not None]
        return read[-1] if read else None

    def traces(
        self, stages: Sequence[str] | None = None, *, only_correct: bool = False
    ) -> pa.RecordBatchReader:
        """The traces with their texts, some hundred at a time; what does not fit into memory is sorted on disk."""
        wanted = list(stages or self.stages)
        recipes = [self.manifest.stages[stage].role.recipe for stage in wanted]
        return self._read(
            "exchange/traces", {"recipes": recipes, "stages": wanted, "only_correct": only_correct}
        )

    def problems(self) -> pa.RecordBatchReader:
        """The run's problems with how each stage did."""
        return self._read("exchange/problems", {})

    def count(self, stages: Sequence[str] | None = None) -> int:
        """How many traces the run wanted of those stages."""
        query = "select count(*) from samples where run_id = ? and list_contains(?, stage)"
        found = self.catalog.execute(query, [self.run_id, list(stages or self.stages)]).fetchone()
        return found[0] if found else 0

    def recipe(self, stage: str) -> Recipe:
        """The recipe of a stage, from beside its traces. Raises UserError where it is missing."""
        role = self.manifest.stages[stage].role
        return self.store.read_recipe(role.stored_as, role.recipe)

    def _read(self, name: str, values: dict[str, object]) -> pa.RecordBatchReader:
        found = self.catalog.execute(statement(name), {"run_id": self.run_id, **values})
        return found.to_arrow_reader(ROWS_AT_ONCE)


@contextmanager
def open_source(name: str, root: str, spill: Path) -> Iterator[Source]:
    """The run that `name` means; sorting may use the folder `spill`, which is gone at the end. Raises UserError."""
    store = Store(root)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, spill, ignore_errors=True)
        stack.enter_context(store.listed_once())
        catalog = stack.enter_context(connect(store))
        catalog.execute(f"set memory_limit = '{_SORT_MEMORY}'")
        catalog.execute("set temp_directory = " + "'" + str(spill).replace("'", "''") + "'")
        yield Source(store, catalog, read_manifest(store, resolve(catalog, name).run_id))
