"""What an import found, what an export wrote, and what a report holds."""

from pathlib import Path

from flows.commands.terminal import print_line
from tasks.analysis.report.page import ReportInfo
from tasks.exchange.exports.exporting import Exported
from tasks.exchange.imports.importing import Imported


def print_import(imported: Imported, *, as_json: bool) -> None:
    """What was imported, what was not, the choices made, and the experiment file; on stderr with `as_json`."""

    def line(text: str) -> None:
        print_line(text, stderr=as_json)

    recording, header, report = imported.recording, imported.header, imported.report
    line(
        f"{header.tool}: {recording.num_outputs:,} outputs of {len(recording.problems):,} problems"
        + (f", {recording.num_failed:,} recorded failures" if recording.num_failed else "")
        + ("" if recording.is_new else "; this recording already existed")
    )
    for note in header.notes:
        line(f"  {note}")
    if header.model is None:
        line("  the log does not name its model, so it is called unknown; set it with --model NAME")
    if recording.num_uneven:
        line(
            f"  {recording.num_uneven} problems have fewer samples than others; the missing ones count as not recorded"
        )
    if recording.num_shared:
        line(
            f"  {recording.num_shared} problems repeat another problem's question; only the outputs of the first one are used"
        )
    for grader, (count, right) in imported.judged.items():
        line(f"  the log's own verdicts: {grader}, {right:,} of {count:,} correct")
    line(f"  experiment: {imported.experiment_file}")
    if report.num_broken:
        line(f"{report.num_broken:,} lines could not be used and are not in the import:")
        for sentence in report.breaks:
            line(f"  {sentence}")
        if report.num_broken > len(report.breaks):
            line(f"  … and {report.num_broken - len(report.breaks):,} more")


def print_export(exported: Exported, folder: Path) -> None:
    """How many rows of which run went where."""
    print_line(f"{exported.num_rows:,} rows, each {exported.unit}, of {exported.run_id} → {folder}")


def print_report(info: ReportInfo) -> None:
    """What the page holds."""
    texts = f"texts of {info.num_problems_with_texts:,} of {info.num_problems:,} problems"
    cut = f", {info.num_texts_cut:,} long texts shortened in the middle" if info.num_texts_cut else ""
    runs = "1 run" if info.num_runs == 1 else f"{info.num_runs} runs"
    print_line(
        f"{info.path}: {info.num_bytes / 1e6:,.1f} MB, {runs}, {info.num_traces_with_texts:,} traces, "
        f"{texts}{cut}."
    )
