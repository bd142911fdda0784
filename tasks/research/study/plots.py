"""The study's plots, as SVG that reads in light and dark pages (extra `study`: matplotlib)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from configs.training import Training
from tasks.research.study.cells import CellKind
from tasks.research.study.results import Curve, Result
from tasks.research.training.jobs import TrainingJob, reader_kind
from tasks.research.training.record import TrainingRecord

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "a2r",
    "axes.grid": True,
    "axes.formatter.useoffset": False,
    "grid.alpha": 0.3,
    "font.size": 9,
}


def plot_costs(
    training: Training,
    results: Sequence[Result],
    curves: Mapping[str, Curve],
    path: Path,
) -> str:
    """Accuracy over cost: votes of single models as lines, controls dotted, A2R as points. Returns the file's name."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 7), layout="constrained")
        axes = figure.add_subplot()
        for result in (r for r in results if r.run_id in curves and not r.cell.seed):
            curve, n = curves[result.run_id], result.cell.experiment.first_explorer.sampling.n
            found = [(k, v["estimate"]) for (kind, k), v in sorted(curve.items()) if kind == "cons"]
            votes = {k: estimate for k, estimate in found if estimate is not None}
            costs = [k * result.megaflops / n for k in votes]
            line = "o-" if result.cell.kind is CellKind.EXPLORER else "o:"
            axes.plot(costs, list(votes.values()), line, ms=3, label=f"{result.cell.label}, vote of k")
        for reader in training.synthesizers:
            cells = [r for r in results if r.cell.kind is CellKind.PAIR and r.cell.reader == reader]
            found = [(r.megaflops, *value) for r in cells if (value := r.interval("a2r"))]
            if found:
                axes.errorbar(
                    [cost for cost, *_ in found],
                    [estimate for _, estimate, *_ in found],
                    yerr=[[e - low for _, e, low, _ in found], [high - e for _, e, _, high in found]],
                    fmt="s",
                    ms=5,
                    capsize=2,
                    label=f"A2R, {reader_kind(training)} {reader}",
                )
        reinforced = (CellKind.READER, "reinforced")
        for result in (r for r in results if (r.cell.kind, r.cell.reader_kind) == reinforced):
            if value := result.interval("a2r"):
                axes.plot(result.megaflops, value[0], "*", ms=13, label="A2R, reinforced")
        axes.set(xscale="log", xlabel="MFLOP per problem (2 × parameters × tokens)", ylabel="accuracy")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        figure.legend(fontsize=7, loc="outside lower center", ncols=2)
        return saved(figure, path)


def plot_curves(jobs: Sequence[TrainingJob], records: Mapping[str, TrainingRecord], path: Path) -> str:
    """Accuracy on development problems over training tokens, one line per model; `longer` continues from the end of its start."""
    kinds = {
        "answering alone": ("explorer", "longer"),
        "checking and trying": ("synthesizer", "solo"),
        "selecting": ("selector",),
    }
    kinds = {t: kinds[t] for t in kinds if any(job.kind in kinds[t] for job in jobs)}
    with rc_context(STYLE):
        figure = Figure(figsize=(4.5 * len(kinds), 4), layout="constrained")
        for column, (title, shown) in enumerate(kinds.items(), start=1):
            axes = figure.add_subplot(1, len(kinds), column)
            for job in jobs:
                if job.kind in shown:
                    points = records[job.name].curve
                    start = records.get(job.start.name) if job.start and job.kind == "longer" else None
                    before = start.num_tokens if start else 0
                    axes.plot(
                        [(before + p["num_tokens"]) / 1e6 for p in points],
                        [p["accuracy"] for p in points],
                        "o-",
                        ms=2,
                        label=job.name.removeprefix("a2r-"),
                    )
            axes.set(title=title, xlabel="million tokens", ylabel="accuracy, development problems")
            if axes.lines:
                axes.legend(fontsize=6)
        return saved(figure, path)


def plot_reinforcement(jobs: Sequence[TrainingJob], records: Mapping[str, TrainingRecord], path: Path) -> str:
    """Reward, entropy and length over the steps of reinforcement; empty where there was none."""
    reinforced = {job.name: records[job.name] for job in jobs if job.kind == "reinforced"}
    if not reinforced:
        return ""
    units = {
        "reward": "reward",
        "accuracy": "accuracy, development",
        "entropy": "entropy, nats per token",
        "tokens": "tokens per sample",
    }
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 3), layout="constrained")
        for column, (what, title) in enumerate(units.items(), start=1):
            axes = figure.add_subplot(1, 4, column)
            for name, record in reinforced.items():
                points = record.curve
                axes.plot(
                    [p["num_steps"] for p in points],
                    [p.get(what, math.nan) for p in points],
                    "o-",
                    ms=2,
                    label=name.removeprefix("a2r-"),
                )
            axes.set(title=title, xlabel="step")
        figure.axes[0].legend(fontsize=6)
        return saved(figure, path)


def saved(figure: Figure, path: Path) -> str:
    """Write the figure, the same bytes for the same numbers; returns the file's name."""
    figure.savefig(path, metadata={"Date": None})
    return path.name
