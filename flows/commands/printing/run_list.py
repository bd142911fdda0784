"""The runs of a root as a table."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from rich.table import Table

from flows.commands.terminal import print_json, table_console
from tasks.analysis.runs import RunRow

_COLOURS = {"incomplete": "yellow"}


def print_runs(runs: Sequence[RunRow], *, as_json: bool) -> None:
    """One row per run, newest first."""
    if as_json:
        print_json({"runs": [asdict(run) for run in runs]})
        return
    now, table = datetime.now(UTC), Table(caption_justify="left")
    table.caption = "accuracy with its 95 % interval; $ and tokens of all of a run's traces, reused ones too"
    headings = ("run", "status", "problems", "headline", "accuracy", "95 % interval", "tokens", "$", "age")
    for heading in headings:
        is_text = heading in {"run", "status", "headline"}
        table.add_column(heading, justify="left" if is_text else "right", overflow="fold")
    for run in runs:
        table.add_row(*_cells(run, now), style=_COLOURS.get(run.status))
    table_console().print(table)


def _cells(run: RunRow, now: datetime) -> tuple[str, ...]:
    measured = "" if run.num_measured in {None, run.num_problems} else f"{run.num_measured:,} of "
    return (
        run.run_id,
        run.status,
        f"{measured}{run.num_problems:,}",
        run.metric or "–",
        "–" if run.estimate is None else f"{run.estimate:.3f}",
        "–" if run.low is None else f"{run.low:.3f} – {run.high:.3f}",
        "–" if run.num_tokens is None else f"{run.num_tokens:,}",
        "–" if run.dollars is None else f"{run.dollars:,.2f}",
        age(now - run.started_at),
    )


def age(since: timedelta) -> str:
    """Such as 5 min, 3 h, 12 d."""
    minutes = max(0, int(since.total_seconds() // 60))
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"  # noqa: PLR2004 - two days
