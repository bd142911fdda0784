"""A root as it is now: its published catalog, opened again when another is put in its place, and what is read beside it."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from threading import Lock, Timer

import duckdb
import orjson

from configs.schema import UserError
from tasks.analysis.report.data import SUMMARY, Findings, read_findings
from tasks.analysis.report.entries import ProblemTexts
from tasks.analysis.report.listing import Listing
from tasks.analysis.report.texts import TextReader
from warehouse.catalog import Row, Rows, connect, rows
from warehouse.naming import resolve
from warehouse.relations import statement
from warehouse.store import Store

MOST_LISTINGS = 4
"""Sets of runs whose problems are kept at hand."""
MEMORY = "192MB"
"""What DuckDB may hold, beside the rest of the process; what takes more goes to the machine's temporary folder."""
NUM_THREADS = 2
_WARM_SECONDS = 1.0
"""After a list was asked for: it is to be there first."""

Stamp = tuple[int, int, int]


class LiveRoot:
    """What the pages of `a2r view` ask for; any number of threads may."""

    def __init__(self, store: Store) -> None:
        self.store, self.texts = store, TextReader(store)
        self._lock = Lock()
        self._spill = TemporaryDirectory(prefix="a2r-view-", ignore_cleanup_errors=True)
        self._catalog: duckdb.DuckDBPyConnection | None = None
        self._stamp: Stamp | None = None
        self._summaries: dict[tuple[str, ...], Findings] = {}
        self._listings: OrderedDict[tuple[str, ...], Listing] = OrderedDict()

    @contextmanager
    def catalog(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of one's own to the catalog as it is now. Raises UserError where there is none to read."""
        with self._lock:
            cursor = self._cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def ask(self, name: str, **values: object) -> Rows:
        """The rows of a statement."""
        with self.catalog() as catalog:
            return rows(catalog, statement(name), values)

    def summary(self, names: Sequence[str]) -> Findings:
        """What the page of the runs of these names begins with. Raises UserError for an unknown one."""
        run_ids = self._named(names)
        with self._lock:
            return self._summary(self._cursor(), run_ids)

    def listing(self, names: Sequence[str]) -> Listing:
        """The problems of the runs of these names. Raises UserError for an unknown one."""
        run_ids = self._named(names)
        with self._lock:
            cursor = self._cursor()  # forgets listings of a catalog that has been replaced
            if run_ids not in self._listings:
                self._listings[run_ids] = Listing(cursor, self._summary(cursor, run_ids))
                self._warm(run_ids)
            self._listings.move_to_end(run_ids)
            while len(self._listings) > MOST_LISTINGS:
                self._listings.popitem(last=False)
            return self._listings[run_ids]

    def problem(self, run: str, digest: str) -> ProblemTexts | None:
        """What happened to a problem in a run; None where the run does not have it. Raises UserError."""
        with self.catalog() as catalog:
            run_id = resolve(catalog, run).run_id
            [(config,)] = catalog.execute(
                "select config from store.runs where run_id = ?", [run_id]
            ).fetchall()
            return next(self.texts.read(catalog, {run_id: orjson.loads(config)}, [digest]), None)

    def question(self, digest: str) -> Row | None:
        """A wording's question and metadata, where the catalog knows it."""
        try:
            found = self.ask("report/questions", problem_digests=[digest])
        except UserError:  # no catalog yet
            return None
        return found[0] if found else None

    def _named(self, names: Sequence[str]) -> tuple[str, ...]:
        if not names:
            raise UserError("Name a run: /report?run=latest; `a2r runs` lists them.")
        with self.catalog() as catalog:
            return tuple(dict.fromkeys(resolve(catalog, name).run_id for name in names))

    def _summary(self, catalog: duckdb.DuckDBPyConnection, run_ids: tuple[str, ...]) -> Findings:
        if run_ids not in self._summaries:
            self._summaries[run_ids] = _read_summary(catalog, run_ids)
        return self._summaries[run_ids]

    def _warm(self, run_ids: tuple[str, ...]) -> None:
        """Read the footers of the runs' parts while a person looks at the list."""
        recipes = rows(self._cursor(), statement("report/recipes"), {"run_ids": list(run_ids)})

        def read() -> None:
            for row in recipes:
                self.texts.rows.count(row["recipe"])

        later = Timer(_WARM_SECONDS, read)
        later.daemon = True
        later.start()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        stamp = self._stamped()
        if self._catalog is None or stamp != self._stamp:
            self._catalog = connect(self.store)
            self._catalog.execute(f"set memory_limit = '{MEMORY}'")
            self._catalog.execute(f"set threads = {NUM_THREADS}")
            self._catalog.execute(f"set temp_directory = '{self._spill.name}'")
            self._stamp = stamp
            self._summaries.clear()
            self._listings.clear()
        cursor = self._catalog.cursor()
        cursor.execute("use catalog")
        cursor.execute("set timezone = 'UTC'")
        return cursor

    def _stamped(self) -> Stamp | None:
        try:
            found = self.store.catalog_path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _read_summary(catalog: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> Findings:
    """What a page begins with; the agreement of graders where there are several."""
    found = read_findings(catalog, run_ids, SUMMARY)
    if not any(run["grader"].startswith("cascade-") for run in found.runs):
        return found
    return read_findings(catalog, run_ids, SUMMARY | {"agreement"})
