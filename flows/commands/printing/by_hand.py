"""What entering or withdrawing verdicts by hand changed."""

from collections.abc import Sequence

from flows.commands.terminal import print_json, print_line
from tasks.grading.by_hand import OverrideReport


def print_override(reports: Sequence[OverrideReport], *, as_json: bool, is_all: bool) -> None:
    """A line per file; as JSON on stdout only where nothing else is printed there (`is_all`)."""
    if as_json and is_all:
        shown = (report._asdict() | report.entered._asdict() for report in reports)
        print_json({"corrections": [{k: v for k, v in row.items() if k != "entered"} for row in shown]})
        return
    for report in reports:
        new, kept, withdrawn = report.entered
        print_line(
            f"{report.source}: {new:,} verdicts by hand entered, {withdrawn:,} withdrawn, {kept:,} as before. In all, "
            f"{report.num_samples:,} samples of {report.num_runs:,} runs are decided by hand.",
            stderr=as_json,
        )
