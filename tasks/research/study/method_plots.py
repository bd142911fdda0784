"""The plots of the study of methods: differences to A2R at equal cost, and accuracy over the critical path."""

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
    """Every method's difference to A2R with its interval, beside its accuracy over its critical path. Returns the file's name."""
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 4.8), layout="constrained")
        differences, paths = figure.subplots(1, 2)
        _differences(differences, found.results)
        _paths(paths, found.results)
        figure.suptitle(f"{found.family}: blue, methods; orange, the model that tries and checks by itself")
        return saved(figure, path)


def _differences(axes: Axes, results: Sequence[MethodResult]) -> None:
    ranked = sorted(
        ((r.difference, r) for r in results if r.difference is not None), key=lambda pair: pair[0]
    )
    for place, (difference, result) in enumerate(ranked):
        low, high = result.difference_low, result.difference_high
        error = None if low is None or high is None else [[difference - low], [high - difference]]
        axes.errorbar(
            difference, place, xerr=error, fmt=_marker(result), color=_color(result), ms=5, capsize=2
        )
    axes.axvline(0, color="gray", lw=1)
    axes.set_yticks(range(len(ranked)), [_label(result) for _, result in ranked])
    axes.set(xlabel=f"accuracy minus that of {BASELINE}, paired by problem, 95 % interval")


def _paths(axes: Axes, results: Sequence[MethodResult]) -> None:
    for result in results:
        if result.mean_path is None:
            continue
        axes.plot(result.mean_path, result.estimate, _marker(result), color=_color(result), ms=5)
        axes.annotate(
            result.method.name,
            (result.mean_path, result.estimate),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=7,
        )
    axes.margins(x=0.2)
    axes.set(xlabel="critical path in tokens, mean over problems", ylabel="accuracy")


def _label(result: MethodResult) -> str:
    cost = f" (cost × {result.cost_ratio:.2f})" if result.method.is_one_sample and result.cost_ratio else ""
    return f"{result.method.name}{cost}"


def _marker(result: MethodResult) -> str:
    return "s" if result.method.is_opponent else "o"


def _color(result: MethodResult) -> str:
    return OPPONENT_COLOR if result.method.is_opponent else METHOD_COLOR
