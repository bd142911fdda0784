"""What a run or a sweep would find, need and cost."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from rich.table import Table

from flows.commands.terminal import print_json, print_line, table_console
from tasks.analysis.check import CheckReport, MemberCheck, StageCheck
from tasks.analysis.numbers import money, span
from tasks.ops.night_check import NightCheck
from tasks.ops.night_watch import moment
from tasks.ops.sweep_check import SweepCheck

_FEW = 2
"""Stages whose sum is seen at a glance."""
_HEADINGS = (
    "stage",
    "model",
    "engine",
    "wanted",
    "stored",
    "missing",
    "context",
    "tokens at most",
    "$ at most",
)


def print_check(report: CheckReport, *, as_json: bool) -> None:
    """One row per stage, whether its engine answers, and what does not fit."""
    if as_json:
        print_json(report.as_dict())
        return
    console = table_console()
    table = Table(title=f"{report.experiment}: {report.num_problems} problems", title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading)
    for stage, check in report.stages.items():
        table.add_row(stage, *_cells(check))
    if len(report.stages) > _FEW:
        table.add_section()
        table.add_row("all stages", "", "", *_sums(list(report.stages.values())))
    console.print(table)
    if report.benchmarks:
        console.print(_by_benchmark(report))
    for stage, check in report.stages.items():
        console.print(
            f"{stage}: the {check.engine} engine {_state(check)}.{_expected(check)}",
            highlight=False,
            soft_wrap=True,
        )
    for text in report.complaints:
        console.print(text, markup=False, soft_wrap=True)


def _state(check: StageCheck) -> str:
    if check.is_absent:
        return "lacks what is named below, so this experiment runs elsewhere"
    if check.placement:
        return f"has valid settings and is started by the run: {check.placement}"
    return "answers" if check.is_started else "has valid settings and is started by the run"


def _by_benchmark(report: CheckReport) -> Table:
    """What each benchmark of a suite takes, its stages together."""
    table = Table()
    for heading in ("benchmark", "problems", *_HEADINGS[3:6], *_HEADINGS[7:]):
        table.add_column(heading)
    for name, shares in report.benchmarks.items():
        checks = list(shares.values())
        wanted, stored, missing, _, tokens, dollars = _sums(checks)
        table.add_row(name, f"{checks[0].num_problems:,}", wanted, stored, missing, tokens, dollars)
    return table


def _sums(checks: Sequence[StageCheck | MemberCheck]) -> tuple[str, ...]:
    """The columns from `wanted` on, of all stages together."""
    dollars = [check.max_dollars for check in checks if check.missing]
    counts = [
        f"{sum(getattr(check, name) for check in checks):,}" for name in ("wanted", "stored", "missing")
    ]
    tokens = f"{sum(check.max_completion_tokens for check in checks):,}"
    return (*counts, "", tokens, "–" if None in dollars else f"{sum(filter(None, dollars)):,.2f}")


def print_night_check(report: NightCheck, *, as_json: bool) -> None:
    """Each experiment's stages, and when the night begins."""
    if as_json:
        print_json(report.as_dict())
        return
    for experiment in report.experiments:
        print_check(experiment, as_json=False)
        print_line("")
    stages = [stage for experiment in report.experiments for stage in experiment.stages.values()]
    dollars = [stage.max_dollars for stage in stages if stage.missing]
    cost = "" if None in dollars else f" and {sum(filter(None, dollars)):,.2f} dollars"
    counted = "1 experiment" if len(report.experiments) == 1 else f"{len(report.experiments)} experiments"
    print_line(
        f"{report.file}: {counted}, {sum(stage.missing for stage in stages):,} traces "
        f"to make as of now, at most {sum(stage.max_completion_tokens for stage in stages):,} completion tokens{cost}. "
        f"The next night begins {moment(report.next_at, ZoneInfo(report.timezone))}."
    )


def print_sweep_check(report: SweepCheck, *, as_json: bool) -> None:
    """One row per cell, and what the sweep would generate in all."""
    if as_json:
        print_json(report.as_dict())
        return
    table = Table(title=f"sweep {report.sweep}: {len(report.cells)} cells", title_justify="left")
    stages = list(dict.fromkeys(stage for _, check in report.cells for stage in check.stages))
    for heading in ("cell", "problems", *(f"{stage} missing" for stage in stages)):
        table.add_column(heading, justify="left" if heading == "cell" else "right")
    for cell, check in report.cells:
        missing = (f"{check.stages[stage].missing:,}" if stage in check.stages else "–" for stage in stages)
        table.add_row(cell.label, f"{check.num_problems:,}", *missing)
    table_console().print(table)
    print_line(
        f"To be generated in all, shared traces counted once: {report.missing:,} traces, at most "
        f"{report.max_completion_tokens:,} completion tokens."
    )


def _expected(check: StageCheck) -> str:
    """What the missing traces would take if they were like those that are stored."""
    sentences = ""
    if check.fits_at_once is not None:
        held = "would hold about" if check.is_cache_estimated else "holds"
        sentences += f" Its cache {held} {check.cache:,} tokens: {check.fits_at_once:,} answers of full length at once."
    if not check.missing or check.expected_seconds is None or check.tokens_per_answer is None:
        return sentences
    tokens = round(check.missing * check.tokens_per_answer)
    dollars = "" if check.expected_dollars is None else f", {money(check.expected_dollars)} dollars"
    rate, whose = (
        check.expected_tokens_per_second or 0.0,
        "" if check.is_usual_of_recipe else " of this model",
    )
    return (
        f"{sentences} If like the stored ones{whose}, the missing answers take {tokens:,} tokens, "
        f"{span(check.expected_seconds)} ({rate:,.0f} tokens per second){dollars}."
    )


def _cells(check: StageCheck) -> tuple[str, ...]:
    room = "?" if check.context.room is None else f"{check.context.room:,}"
    return (
        check.model,
        check.engine,
        f"{check.wanted:,}",
        f"{check.stored:,}",
        f"{check.missing:,}",
        f"{check.context.needed:,} of {room}",
        f"{check.max_completion_tokens:,}",
        money(check.max_dollars),
    )
