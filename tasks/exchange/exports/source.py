"""A run as an export reads it: its roles from the manifest, its traces as one ordered stream from the catalog."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import orjson
import pyarrow as pa

from configs.schema import UserError
from tasks.analysis.naming import resolve
from warehouse.catalog import connect, statement
from warehouse.store import Store

Stage = Literal["explore", "synthesize"]
ROWS_AT_ONCE = 256
_SORT_MEMORY = "1GB"


@dataclass(frozen=True, slots=True)
class Source:
    """A run under export."""

    store: Store
    catalog: duckdb.DuckDBPyConnection
    manifest: dict[str, Any]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.manifest["run_id"]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The run's stages, the last of them the one whose answers are the run's."""
        return ("explore", "synthesize") if self.manifest["synthesizer"] else ("explore",)

    def traces(
        self, stages: tuple[Stage, ...] | None = None, *, only_correct: bool = False
    ) -> pa.RecordBatchReader:
        """The traces with their texts, some hundred at a time; what does not fit into memory is sorted on disk."""
        wanted = stages or self.stages
        explorer, synthesizer = self.manifest["explorer"], self.manifest["synthesizer"] or {}
        return self._read(
            "exchange/traces",
            {
                "explorer": explorer["recipe"],
                "synthesizer": synthesizer.get("recipe", ""),
                "first_stage": wanted[0],
                "second_stage": wanted[-1],
                "only_correct": only_correct,
            },
        )

    def problems(self) -> pa.RecordBatchReader:
        """The run's problems with how each stage did."""
        return self._read("exchange/problems", {})

    def count(self, stages: tuple[Stage, ...] | None = None) -> int:
        """How many traces the run wanted of those stages."""
        query = "select count(*) from samples where run_id = ? and list_contains(?, stage)"
        found = self.catalog.execute(query, [self.run_id, list(stages or self.stages)]).fetchone()
        return found[0] if found else 0

    def recipe(self, stage: Stage) -> dict[str, Any]:
        """The recipe of a stage as it stands beside its traces."""
        role = self.manifest["explorer" if stage == "explore" else "synthesizer"]
        return orjson.loads(
            self.store.read_bytes(f"traces/stage={stage}/recipe={role['recipe']}/recipe.json")
        )

    def _read(self, name: str, values: dict[str, Any]) -> pa.RecordBatchReader:
        found = self.catalog.execute(statement(name), {"run_id": self.run_id, **values})
        return found.to_arrow_reader(ROWS_AT_ONCE)


@contextmanager
def open_source(name: str, root: str, spill: Path) -> Iterator[Source]:
    """The run that `name` means; sorting may use the folder `spill`, which is gone at the end. Raises UserError."""
    store = Store(root)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, spill, ignore_errors=True)
        catalog = stack.enter_context(connect(store))
        catalog.execute(f"set memory_limit = '{_SORT_MEMORY}'")
        catalog.execute("set temp_directory = " + "'" + str(spill).replace("'", "''") + "'")
        run_id = resolve(catalog, name).run_id
        path = f"runs/{run_id}.json"
        if not store.exists(path):
            raise UserError(f"{store.root}/{path} is gone; `a2r load --root {store.root}` forgets the run.")
        yield Source(store, catalog, orjson.loads(store.read_bytes(path)))
