"""How people name a run: its id, `latest`, an experiment for its newest run, `~1` behind for the one before."""

import re
from typing import NamedTuple

import duckdb

from configs.schema import UserError

_NAME = re.compile(r"(?P<name>.+?)(~(?P<back>\d+))?")


class NamedRun(NamedTuple):
    """A run that was named."""

    run_id: str
    experiment: str
    benchmark: str


def resolve(catalog: duckdb.DuckDBPyConnection, name: str) -> NamedRun:
    """The run that `name` means. Raises UserError, telling which runs there are."""
    columns = "select run_id, experiment, benchmark from runs"
    if found := catalog.execute(f"{columns} where run_id = ?", [name]).fetchone():
        return NamedRun(*found)
    match = _NAME.fullmatch(name)
    wanted, back = (match["name"], int(match["back"] or 0)) if match else (name, 0)
    newest = catalog.execute(
        f"{columns} where ? in ('latest', experiment) order by started_at desc, run_id desc", [wanted]
    ).fetchall()
    if back < len(newest):
        return NamedRun(*newest[back])
    if newest:
        raise UserError(
            f"There is no run {name}: {wanted} has {len(newest)} runs, so ~{len(newest) - 1} is the oldest."
        )
    latest = catalog.execute(
        "select run_id from runs order by started_at desc, run_id desc limit 5"
    ).fetchall()
    experiments = catalog.execute(
        "select experiment from runs group by experiment order by max(started_at) desc limit 5"
    ).fetchall()
    raise UserError(
        f"There is no run {name}; the latest are {_listed(latest)}. Also `latest`, or an experiment for its newest "
        f"run: {_listed(experiments)}."
    )


def _listed(rows: list[tuple[str]]) -> str:
    return ", ".join(row[0] for row in rows) or "none"
