"""The study's page: the result, then tables in Markdown, made from the catalog and the training records alone, and plots."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb

from configs.training import Training
from tasks.research.study.cards import write_cards
from tasks.research.study.cells import NUM_ALONE, CellKind, StudyCell, TrainedModels
from tasks.research.study.contrasts import contrasts_of, headline_of, measured
from tasks.research.study.markdown import estimate_text, milestones, table
from tasks.research.study.plots import plot_costs, plot_curves, plot_reinforcement
from tasks.research.study.results import VOTES, Curve, Result, results_of
from tasks.research.training.jobs import jobs_of, reader_kind
from tasks.research.training.record import TrainingRecord, read_record
from warehouse.catalog import connect
from warehouse.store import Store
from warehouse.summary import Summary

METHOD = """{description} Written by `a2r study {name}` from the store and the training records:
{num_problems} held-out problems, the same in every row; 95 % intervals clustered by problem. Cost is forward FLOPs per
problem in millions (MFLOP): 2 × parameters × (prompt + completion tokens), where samples of one request share its
prompt. Answers that reach the token limit are truncated and count as wrong. A2R: the synthesizer's answer; cons@k: the majority
vote of k samples; pass@k: whether any of k samples is right. "Its model" is the synthesizer, or another model of its size, alone.
"""

CONTRAST_HEADINGS = ("A minus B", "A", "B", "difference", "cost of B ÷ cost of A")


def write_page(
    training: Training,
    models: TrainedModels,
    outcomes: Sequence[tuple[StudyCell, Summary]],
    root: str,
    docs: Path,
) -> Path:
    """Write `<docs>/<training>.md` and its plots; returns the page's path."""
    docs.mkdir(parents=True, exist_ok=True)
    jobs = [job for job in jobs_of(training) if job.is_done(root)]
    records = {job.name: read_record(job.folder(root)) for job in jobs}
    with connect(Store(root)) as catalog:
        results = results_of(catalog, outcomes)
        curves = {r.run_id: _votes(catalog, r.run_id) for r in results if r.answer == "mean@1"}
        differences = [measured(catalog, contrast) for contrast in contrasts_of(training, results)]
    plots = {
        "costs": plot_costs(training, results, curves, docs / f"{training.name}-costs.svg"),
        "curves": plot_curves(jobs, records, docs / f"{training.name}-curves.svg"),
        "reinforcement": plot_reinforcement(jobs, records, docs / f"{training.name}-reinforcement.svg"),
    }
    write_cards(jobs, records, results, root)
    num_problems = results[0].metrics["mean@1"]["n"]
    page = docs / f"{training.name}.md"
    explorer, reader = training.headline
    pair = f"{explorer} → {reader} with {training.references.count} references"
    sections = [
        f"# {training.name}: what reading references is worth\n",
        *headline_of(differences, pair),
        METHOD.format(description=training.description, name=training.name, num_problems=f"{num_problems:,}"),
        "## Contrasts, paired by problem\n",
        table(CONTRAST_HEADINGS, [difference.row for difference in differences]),
        f"![accuracy over cost]({plots['costs']})\n" if plots["costs"] else "",
        "## Explorers alone\n",
        table(*_alone(results, curves)),
        "## Explorer, synthesizer, number of references\n",
        table(*_rows(results, lambda cell: cell.kind is CellKind.PAIR)),
        "## Controls and opponents of the headline pair\n",
        table(*_rows(results, lambda cell: cell.is_control)),
        *(
            ["## The headline pair with every seed\n", table(*_seeds(training, results))]
            if any(r.cell.kind is CellKind.READER and r.cell.seed for r in results)
            else []
        ),
        "## How the models were trained\n",
        table(*_trained(records)),
        f"![development accuracy over tokens]({plots['curves']})\n" if plots["curves"] else "",
        f"![reward, accuracy, entropy and length]({plots['reinforcement']})\n"
        if plots["reinforcement"]
        else "",
        *([f"Not trained yet: {', '.join(models.missing())}.\n"] if models.missing() else []),
    ]
    page.write_text("\n".join(section for section in sections if section), encoding="utf-8")
    return page


def _votes(catalog: duckdb.DuckDBPyConnection, run_id: str) -> Curve:
    found = catalog.execute(
        "select kind, k, estimate, low, high from curves where run_id = ? and stage = 'explore'", [run_id]
    ).fetchall()
    return {
        (kind, k): {"estimate": estimate, "low": low, "high": high} for kind, k, estimate, low, high in found
    }


def _alone(
    results: Sequence[Result], curves: Mapping[str, Curve]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    headings = (
        "explorer",
        "mean@1",
        *(f"cons@{k}" for k in VOTES[1:]),
        "pass@4",
        f"pass@{NUM_ALONE}",
        "MFLOP per sample",
        "truncated",
    )
    rows = []
    for result in (r for r in results if r.cell.kind is CellKind.EXPLORER):
        curve = curves[result.run_id]
        wanted = [("mean", 1), *(("cons", k) for k in VOTES[1:]), ("pass", 4), ("pass", NUM_ALONE)]
        n = result.cell.experiment.first_explorer.sampling.n
        rows.append(
            (
                result.cell.label,
                *(estimate_text(curve.get(point)) for point in wanted),
                f"{result.megaflops / n:.1f}",
                f"{result.num_truncated:,}",
            )
        )
    return headings, rows


def _rows(
    results: Sequence[Result], is_wanted: Callable[[StudyCell], bool]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    headings = ("cell", "accuracy", "cons@N", "pass@N", "MFLOP per problem", "truncated", "failed")
    rows = []
    for result in (r for r in results if is_wanted(r.cell)):
        n = result.cell.experiment.first_explorer.sampling.n
        per_answer = 1 if result.cell.experiment.synthesizer else n
        rows.append(
            (
                result.cell.label,
                estimate_text(result.metrics.get(result.answer)),
                estimate_text(result.metrics.get(f"cons@{n}")),
                estimate_text(result.metrics.get(f"pass@{n}")),
                f"{result.megaflops / per_answer:.1f}",
                f"{result.num_truncated:,}",
                f"{result.num_failed:,}",
            )
        )
    return headings, rows


def _seeds(training: Training, results: Sequence[Result]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Each seed of a kind, trained from random weights, then their mean and range."""
    headings, rows = ("synthesizer", "seed", "A2R", "cons@N", "mean@1", "pass@N"), list[Sequence[str]]()
    for kind in (reader_kind(training), "reinforced"):
        mine = [r for r in results if r.cell.kind is CellKind.READER and r.cell.reader_kind == kind]
        n = mine[0].cell.experiment.first_explorer.sampling.n if mine else 0
        metrics = ("a2r", f"cons@{n}", "mean@1", f"pass@{n}")
        for result in mine:
            accuracies = (estimate_text(result.metrics.get(metric)) for metric in metrics)
            rows.append((kind, str(result.cell.seed), *accuracies))
        if len(mine) > 1:
            rows.append((kind, f"mean of {len(mine)}, range", *(_spread(mine, metric) for metric in metrics)))
    return headings, rows


def _spread(results: Sequence[Result], metric: str) -> str:
    found = [value[0] for r in results if (value := r.interval(metric))]
    if not found:
        return "–"
    return f"{sum(found) / len(found):.3f} ({min(found):.3f} to {max(found):.3f})"


def _trained(records: Mapping[str, TrainingRecord]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    headings = ("model", "parameters", "tokens", "seconds", "development accuracy at ½, ¾, end", "digest")
    rows = [
        (
            name,
            f"{record.num_parameters:,}",
            f"{record.num_tokens:,}",
            f"{record.seconds:,.0f}",
            milestones(record.curve),
            record.digest[:8],
        )
        for name, record in records.items()
    ]
    return headings, rows
