"""The study's page: tables in Markdown, made from the catalog and the training records alone, and its plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson

from configs.training import Training
from tasks.publish import Summary
from tasks.research.study.cards import write_cards
from tasks.research.study.cells import NUM_ALONE, Cell, Models
from tasks.research.study.contrasts import contrasts_of, measured
from tasks.research.study.plots import plot_costs, plot_curves, plot_reinforcement
from tasks.research.study.results import VOTES, Curve, Result, results_of
from tasks.research.study.tables import milestones, shown, table
from tasks.research.training.jobs import lessons_of, reading_kind
from warehouse.catalog import connect
from warehouse.store import Store

INTRODUCTION = """{description} Written by `a2r study {name}` from the store and the training records;
{num_problems} held-out problems, the same in every row; 95 % intervals clustered by problem. Cost is forward FLOPs a
problem in millions: 2 × parameters × (prompt + completion tokens), every sample paying for its prompt. Answers that ran
into their limit are cut off and count as wrong.
"""


def write_page(
    training: Training,
    models: Models,
    outcomes: Sequence[tuple[Cell, Summary]],
    root: str,
    docs: Path,
) -> Path:
    """Write `<docs>/<training>.md` and its plots; returns the page's path."""
    docs.mkdir(parents=True, exist_ok=True)
    lessons = [lesson for lesson in lessons_of(training) if lesson.is_done(root)]
    records = {
        lesson.name: orjson.loads((lesson.folder(root) / "training.json").read_bytes()) for lesson in lessons
    }
    with connect(Store(root)) as catalog:
        results = results_of(catalog, outcomes)
        curves = {r.run_id: _votes(catalog, r.run_id) for r in results if r.answer == "mean@1"}
        contrasts = [measured(catalog, contrast) for contrast in contrasts_of(training, results)]
    plots = {
        "costs": plot_costs(training, results, curves, docs / f"{training.name}-costs.svg"),
        "curves": plot_curves(lessons, records, docs / f"{training.name}-curves.svg"),
        "reinforcement": plot_reinforcement(records, docs / f"{training.name}-reinforcement.svg"),
    }
    write_cards(lessons, records, results, root)
    some = results[0].metrics["mean@1"]["n"]
    page = docs / f"{training.name}.md"
    sections = [
        f"# {training.name}: what it is worth to read references\n",
        INTRODUCTION.format(description=training.description, name=training.name, num_problems=f"{some:,}"),
        "## Contrasts, paired by problem\n",
        table(
            ("one less the other", "one", "other", "difference", "the other's cost ÷ the one's"), contrasts
        ),
        f"![accuracy over cost]({plots['costs']})\n" if plots["costs"] else "",
        "## Explorers by themselves\n",
        table(*_alone(results, curves)),
        "## Explorer, synthesizer, number of references\n",
        table(*_rows(results, "grid")),
        "## Controls and opponents of the headline pair\n",
        table(*_rows(results, "control")),
        *(
            ["## The headline pair with every seed\n", table(*_seeds(training, results))]
            if any(r.cell.group == "seed" for r in results)
            else []
        ),
        "## How the models were trained\n",
        table(*_trained(records)),
        f"![development accuracy over tokens]({plots['curves']})\n" if plots["curves"] else "",
        f"![reward and entropy]({plots['reinforcement']})\n" if plots["reinforcement"] else "",
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
        "MFLOP a sample",
        "cut off",
    )
    rows = []
    for result in (r for r in results if r.cell.group == "alone"):
        curve = curves[result.run_id]
        wanted = [("mean", 1), *(("cons", k) for k in VOTES[1:]), ("pass", 4), ("pass", NUM_ALONE)]
        n = result.cell.experiment.explorer.sampling.n
        rows.append(
            (
                result.cell.label,
                *(shown(curve.get(point)) for point in wanted),
                f"{result.megaflops / n:.1f}",
                f"{result.num_cut:,}",
            )
        )
    return headings, rows


def _rows(results: Sequence[Result], group: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    headings = ("cell", "accuracy", "cons@N", "pass@N", "MFLOP a problem", "cut off", "failed")
    rows = []
    for result in (r for r in results if r.cell.group == group):
        n = result.cell.experiment.explorer.sampling.n
        per_answer = 1 if result.cell.experiment.synthesizer else n
        rows.append(
            (
                result.cell.label,
                shown(result.metrics.get(result.answer)),
                shown(result.metrics.get(f"cons@{n}")),
                shown(result.metrics.get(f"pass@{n}")),
                f"{result.megaflops / per_answer:.1f}",
                f"{result.num_cut:,}",
                f"{result.num_failed:,}",
            )
        )
    return headings, rows


def _seeds(training: Training, results: Sequence[Result]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Each seed of a kind, trained from random weights, and what they have in the middle and between them."""
    headings, rows = ("synthesizer", "seed", "A2R", "cons@N", "mean@1", "pass@N"), list[Sequence[str]]()
    for kind in (reading_kind(training), "reinforced"):
        mine = [r for r in results if r.cell.name == kind]
        n = mine[0].cell.experiment.explorer.sampling.n if mine else 0
        metrics = ("a2r", f"cons@{n}", "mean@1", f"pass@{n}")
        for result in mine:
            accuracies = (shown(result.metrics.get(metric)) for metric in metrics)
            rows.append((kind, str(result.cell.seed), *accuracies))
        if len(mine) > 1:
            rows.append((kind, f"mean of {len(mine)}, range", *(_spread(mine, metric) for metric in metrics)))
    return headings, rows


def _spread(results: Sequence[Result], metric: str) -> str:
    found = [r.metrics[metric]["estimate"] for r in results]
    return f"{sum(found) / len(found):.3f} ({min(found):.3f} to {max(found):.3f})"


def _trained(records: dict[str, dict[str, Any]]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    headings = ("model", "parameters", "tokens", "wall s", "development accuracy at ½, ¾, end", "digest")
    rows = [
        (
            name,
            f"{record['num_parameters']:,}",
            f"{record['num_tokens']:,}",
            f"{record['seconds']:,.0f}",
            milestones(record["curve"]),
            record["digest"][:8],
        )
        for name, record in records.items()
    ]
    return headings, rows
