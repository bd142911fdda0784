"""The plots of the study of methods: a row a method, its difference to A2R at equal cost and its critical path."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.research.study.method_results import FamilyResults, MethodResult
from tasks.research.study.methods import BASELINE
from tasks.research.study.plots import STYLE, saved

METHOD_COLOR, OPPONENT_COLOR = "C0", "C1"


def plot_methods(found: FamilyResults, path: Path) -> str:
    """Every method's difference to A2R with its interval, beside its critical path. Returns the file's name."""
    ranked = sorted(
        (result for result in found.results if result.difference is not None),
        key=lambda result: result.difference or 0.0,
    )
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 4.8), layout="constrained")
        differences, paths = figure.subplots(1, 2, sharey=True)
        _differences(differences, ranked)
        _paths(paths, ranked)
        figure.suptitle(f"{found.family}: blue, methods; orange, the model that tries and checks by itself")
        return saved(figure, path)


def _differences(axes: Axes, ranked: Sequence[MethodResult]) -> None:
    for place, result in enumerate(ranked):
        difference, low, high = result.difference or 0.0, result.difference_low, result.difference_high
        error = None if low is None or high is None else [[difference - low], [high - difference]]
        axes.errorbar(
            difference, place, xerr=error, fmt=_marker(result), color=_color(result), ms=5, capsize=2
        )
    axes.axvline(0, color="gray", lw=1)
    axes.set_yticks(range(len(ranked)), [_label(result) for result in ranked])
    axes.set(xlabel=f"accuracy minus that of {BASELINE}, paired by problem, 95 % interval")


def _paths(axes: Axes, ranked: Sequence[MethodResult]) -> None:
    for place, result in enumerate(ranked):
        if result.mean_path is None:
            continue
        if result.method.name == BASELINE:
            axes.axvline(result.mean_path, color="gray", lw=1)
        if result.path_p50 is not None and result.path_p95 is not None:
            axes.plot([result.path_p50, result.path_p95], [place, place], color=_color(result))
        axes.plot(result.mean_path, place, _marker(result), color=_color(result), ms=5)
    axes.set_xlim(left=0)
    axes.set(xlabel="critical path in tokens: mean, and median to p95")


def _label(result: MethodResult) -> str:
    cost = f" (cost × {result.cost_ratio:.2f})" if result.method.is_one_sample and result.cost_ratio else ""
    return f"{result.method.name}{cost}"


def _marker(result: MethodResult) -> str:
    return "s" if result.method.is_opponent else "o"


def _color(result: MethodResult) -> str:
    return OPPONENT_COLOR if result.method.is_opponent else METHOD_COLOR
