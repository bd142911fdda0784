"""The problems of some runs as a table that filters, sorts and pairs them: what the page asks for, a page at a time."""

import re
from dataclasses import asdict, dataclass
from threading import Lock
from typing import TypedDict

import duckdb
import orjson

from tasks.analysis.report.data import Findings
from warehouse.catalog import Row, Rows, rows
from warehouse.relations import statement

_COMPARED = re.compile(r"\s*(?P<sign>[<>]=?)\s*(?P<bound>-?[\d.]+)\s*")
_MOST_VALUES = 200
OUTCOMES = {
    "": "num_all",
    "rescued": "num_rescued",
    "harmed": "num_harmed",
    "missed-any": "num_missed_any",
    "missed": "num_missed",
    "kept": "num_kept",
    "unjudged": "num_unjudged",
}
"""What the page filters by, and the column that says how many there are."""
KINDS = {
    "": "num_all",
    "better": "num_better",
    "worse": "num_worse",
    "same": "num_same",
    "gained": "num_gained",
    "lost": "num_lost",
}
"""The same of differences between two runs."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which problems, in which order; empty: all, as the benchmark has them."""

    words: str = ""
    only: str = ""
    """A run's id."""
    verdict: str = ""
    """A stage and a verdict, such as `explore truncated`."""
    key: str = ""
    """A column of the metadata."""
    value: str = ""
    """What it has to be, such as `algebra` or `>3`."""
    outcome: str = ""
    sort: str = ""
    is_down: bool = False


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which differences: of run `b` minus run `a`."""

    a: str
    b: str
    metric: str = "a2r"
    """`mean`: the explorer's accuracy; `cons`: its vote; else the synthesizer's accuracy."""
    kind: str = ""


class ProblemPage(TypedDict):
    """Some rows of the list."""

    rows: Rows
    total: int
    outcomes: dict[str, int]


class DifferencePage(TypedDict):
    """Some differences between two runs."""

    rows: Rows
    total: int
    kinds: dict[str, int]
    before: float | None
    after: float | None


class Listing:
    """The problems of some runs; read from the catalog once."""

    def __init__(self, catalog: duckdb.DuckDBPyConnection, found: Findings) -> None:
        """`catalog` is kept and used by this listing alone; `found` has the runs."""
        self.found = found
        self._catalog, self._lock = catalog, Lock()
        runs = {"run_ids": [run["run_id"] for run in found.runs]}
        catalog.execute(f"create temp table listed as {statement('report/problems')}", runs)
        [(self.num_problems,)] = catalog.execute(
            "select count(distinct problem_digest) from listed"
        ).fetchall()
        self.verdicts = self._column("select distinct unnest(verdicts) from listed order by 1")
        self.keys = self._column(
            "select key from (select unnest(json_keys(metadata)) as key, rowid from listed) "
            "group by key order by min(rowid), key"
        )

    def page(self, filters: Filters, first: int, count: int) -> ProblemPage:
        """Rows from `first` on, so many at most."""
        found = self._listed(filters, first, count)
        counts = found[0] if found else self._first(filters)
        outcomes = {key: counts.get(column, 0) for key, column in OUTCOMES.items()}
        return ProblemPage(
            rows=[_shown(row, OUTCOMES) for row in found],
            total=outcomes.get(filters.outcome, 0),
            outcomes=outcomes,
        )

    def find(self, run_id: str, problem_id: str) -> Row | None:
        """The row of a problem in a run."""
        with self._lock:
            found = rows(
                self._catalog,
                "from listed where run_id = $run and problem_id = $problem",
                {"run": run_id, "problem": problem_id},
            )
        return _shown(found[0], OUTCOMES) if found else None

    def values(self, key: str) -> list[str]:
        """What a column of the metadata holds, in natural order; the first 200."""
        with self._lock:
            found = self._catalog.execute(
                statement("report/values"), {"pointer": _pointer(key), "most": _MOST_VALUES}
            )
            return [value for (value,) in found.fetchall()]

    def differences(self, pairing: Pairing, first: int, count: int) -> DifferencePage:
        """Problem by problem, the largest first."""
        asked = asdict(pairing) | {"num_before": first, "num_rows": count}
        with self._lock:
            found = rows(self._catalog, statement("report/differences"), asked)
            counts = found or rows(
                self._catalog,
                statement("report/differences"),
                asked | {"kind": "", "num_before": 0, "num_rows": 1},
            )
        numbers = counts[0] if counts else {}
        kinds = {key: numbers.get(column, 0) for key, column in KINDS.items()}
        return DifferencePage(
            rows=[{k: v for k, v in row.items() if not k.startswith(("num_", "mean_"))} for row in found],
            total=kinds.get(pairing.kind, 0),
            kinds=kinds,
            before=numbers.get("mean_before"),
            after=numbers.get("mean_after"),
        )

    def _first(self, filters: Filters) -> Row:
        """A row with counts where the outcome that was chosen has none itself."""
        found = self._listed(_without_outcome(filters), 0, 1)
        return found[0] if found else {}

    def _listed(self, filters: Filters, first: int, count: int) -> Rows:
        compared = _COMPARED.fullmatch(filters.value)
        asked = {
            "wanted_run": filters.only or None,
            "verdict": filters.verdict or None,
            "words": filters.words.lower().split(),
            "pointer": _pointer(filters.key) if filters.key else None,
            "sign": "any" if not filters.value else compared["sign"] if compared else "=",
            "bound": float(compared["bound"]) if compared and _is_number(compared["bound"]) else None,
            "wanted": filters.value,
            "outcome": filters.outcome,
            "sort": filters.sort,
            "is_down": filters.is_down,
            "num_before": first,
            "num_rows": count,
        }
        with self._lock:
            return rows(self._catalog, statement("report/listed"), asked)

    def _column(self, query: str) -> list[str]:
        return [value for (value,) in self._catalog.execute(query).fetchall()]


def _without_outcome(filters: Filters) -> Filters:
    return Filters(filters.words, filters.only, filters.verdict, filters.key, filters.value)


def _shown(row: Row, counts: dict[str, str]) -> Row:
    """The row as the page has it."""
    kept = {name: value for name, value in row.items() if name not in counts.values()}
    return kept | {"metadata": orjson.loads(row["metadata"] or "{}")}


def _pointer(key: str) -> str:
    """The JSON pointer of a key (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
