"""A root as it is now: its published catalog, opened again when another is put in its place, and what is read beside it."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, Thread

import duckdb

from configs.schema import UserError
from tasks.analysis.report.data import SUMMARY, read_findings
from tasks.analysis.report.entries import ProblemTexts
from tasks.analysis.report.listing import Listing
from tasks.analysis.report.texts import TextReader
from warehouse.catalog import Row, Rows, connect, rows
from warehouse.naming import resolve
from warehouse.relations import statement
from warehouse.store import Store

MOST_LISTINGS = 4
"""Sets of runs whose problems are kept at hand."""
MEMORY = "256MB"
"""What DuckDB may hold, beside the rest of the process."""
NUM_THREADS = 2

Stamp = tuple[int, int, int]


class LiveRoot:
    """What the pages of `a2r view` ask for; any number of threads may."""

    def __init__(self, store: Store) -> None:
        self.store, self.texts = store, TextReader(store)
        self._lock = Lock()
        self._catalog: duckdb.DuckDBPyConnection | None = None
        self._stamp: Stamp | None = None
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

    def listing(self, names: Sequence[str]) -> Listing:
        """The problems of the runs of these names. Raises UserError for an unknown one."""
        if not names:
            raise UserError("Name a run: /report?run=latest; `a2r runs` lists them.")
        with self.catalog() as catalog:
            run_ids = tuple(dict.fromkeys(resolve(catalog, name).run_id for name in names))
        with self._lock:
            cursor = self._cursor()  # forgets listings of a catalog that has been replaced
            if run_ids not in self._listings:
                self._listings[run_ids] = Listing(cursor, read_findings(cursor, run_ids, SUMMARY))
                self._warm(run_ids)
            self._listings.move_to_end(run_ids)
            while len(self._listings) > MOST_LISTINGS:
                self._listings.popitem(last=False)
            return self._listings[run_ids]

    def problem(self, run_id: str, digest: str) -> ProblemTexts | None:
        """What happened to a problem in a run; None where the run does not have it. Raises UserError."""
        [run] = self.listing([run_id]).found.runs
        with self.catalog() as catalog:
            return next(self.texts.read(catalog, {run["run_id"]: run["config"]}, [digest]), None)

    def question(self, digest: str) -> Row | None:
        """A wording's question and metadata, where the catalog knows it."""
        try:
            found = self.ask("report/questions", problem_digests=[digest])
        except UserError:  # no catalog yet
            return None
        return found[0] if found else None

    def _warm(self, run_ids: tuple[str, ...]) -> None:
        """Read the footers of the runs' parts while a person looks at the list."""
        recipes = rows(self._cursor(), statement("report/recipes"), {"run_ids": list(run_ids)})

        def read() -> None:
            for row in recipes:
                self.texts.rows.count(row["recipe"])

        Thread(target=read, name="footers", daemon=True).start()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        stamp = self._stamped()
        if self._catalog is None or stamp != self._stamp:
            self._catalog = connect(self.store)
            self._catalog.execute(f"set memory_limit = '{MEMORY}'")
            self._catalog.execute(f"set threads = {NUM_THREADS}")
            self._catalog.execute("set temp_directory = ''")
            self._stamp = stamp
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
