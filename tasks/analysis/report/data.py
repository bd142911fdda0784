"""The numbers of a report, as plain rows of the catalog's relations; `tasks.analysis.report.chunks` has the texts of traces."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

import duckdb
import orjson

from configs.schema import UserError
from warehouse.catalog import Rows, connect, rows
from warehouse.naming import resolve
from warehouse.relations import statement
from warehouse.store import Store


@dataclass(frozen=True)
class Findings:
    """Everything in a report except the texts; each part has rows of one grain, with NULL for unknown values."""

    runs: Rows
    """One row per run, with its short name `label`."""
    leaderboard: Rows
    """One row per run and stage."""
    metrics: Rows
    """One row per run and metric."""
    suites: Rows
    """One row per run of a suite, benchmark of it, and metric; without a suite, not in the JSON."""
    methods: Rows
    """One row per run and method (one sample, the vote, the synthesizer) with a known cost; `ways` in the JSON."""
    paths: Rows
    """One row per run and method with a known critical path, in tokens and in seconds."""
    curves: Rows
    """One row per run, stage, estimator (pass@k, cons@k) and k."""
    pairs: Rows
    """One row per benchmark, explorer and synthesizer."""
    flows: Rows
    """One row per run, quality of the explorers' samples, and outcome of the synthesizer."""
    agreement: Rows
    """One row per run graded by a cascade, stage, two of its graders, and which of them decided."""
    contributions: Rows
    """One row per run with several explorers, and explorer: what its references were worth."""
    problems: Rows
    """One row per run and problem; equal wordings share the index `place`."""
    history: Rows
    """One row per headline metric and run of these runs' experiments, the oldest first."""

    @property
    def num_problems(self) -> int:
        """Distinct wordings."""
        return len({problem["place"] for problem in self.problems})


def findings(store: Store, run_ids: Sequence[str], experiments: Sequence[str] = ()) -> Findings:
    """Read a report's rows. Raises UserError for an unknown run or experiment, or if there is no run.

    Without run ids, the latest run of every configuration, of these experiments or of all.
    """
    with connect(store) as catalog:
        return read_findings(catalog, _chosen(catalog, run_ids, experiments, store.root))


SUMMARY = frozenset({"leaderboard", "metrics", "suites"})
"""The parts that a served page begins with."""
_PARTS: Mapping[str, str] = {
    "leaderboard": "from leaderboard where list_contains($run_ids, run_id)",
    "metrics": "from metrics where list_contains($run_ids, run_id)",
    "suites": "from suite_metrics where list_contains($run_ids, run_id)",
    **{
        name: statement(f"report/{name}")
        for name in (
            "methods",
            "paths",
            "curves",
            "pairs",
            "flows",
            "agreement",
            "contributions",
            "problems",
            "history",
        )
    },
}
"""How each part is read, besides the runs."""


def read_findings(
    catalog: duckdb.DuckDBPyConnection, run_ids: Sequence[str], parts: Collection[str] = _PARTS
) -> Findings:
    """Read these parts of these runs; the others are left empty."""
    chosen = {"run_ids": list(run_ids)}
    runs = "select * from runs where list_contains($run_ids, run_id) order by started_at"
    found = Findings(
        runs=rows(catalog, runs, chosen),
        **{name: rows(catalog, query, chosen) if name in parts else [] for name, query in _PARTS.items()},
    )
    _label(found)
    return found


def as_json(found: Findings) -> bytes:
    """The findings as one JSON object."""
    data = {
        "ways" if part.name == "methods" else part.name: getattr(found, part.name)
        for part in fields(found)
        if part.name != "suites" or found.suites
    }
    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


def _chosen(
    catalog: duckdb.DuckDBPyConnection, run_ids: Sequence[str], experiments: Sequence[str], root: str
) -> list[str]:
    known = catalog.execute("select distinct experiment from runs order by 1").fetchall()
    if not known:
        raise UserError(f"{root} has no runs yet; start one with `a2r run quickstart --root {root}`.")
    for name in experiments:
        if (name,) not in known:
            names = ", ".join(row[0] for row in known)
            raise UserError(f"There is no run of an experiment {name} under {root}; there are: {names}.")
    if run_ids:
        return list(dict.fromkeys(resolve(catalog, name).run_id for name in run_ids))
    found = catalog.execute(statement("report/latest"), {"experiments": list(experiments)}).fetchall()
    return [row[0] for row in found]


def _label(found: Findings) -> None:
    """Add short names of runs and indexes of wordings, and parse the settings."""
    names = [run["experiment"] for run in found.runs]
    for run in found.runs:
        is_unique = names.count(run["experiment"]) == 1
        run["label"] = run["experiment"] if is_unique else f"{run['experiment']} {run['run_id'][:15]}"
        run["config"] = orjson.loads(run["config"])
        run["versions"] = orjson.loads(run["versions"])
        run["warnings"] = orjson.loads(run["warnings"])
    indexes: dict[str, int] = {}
    for problem in found.problems:
        problem["metadata"] = orjson.loads(problem["metadata"] or "{}")
        problem["place"] = indexes.setdefault(problem["problem_digest"], len(indexes))
