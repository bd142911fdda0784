"""Markdown tables and numbers with their intervals."""

from collections.abc import Iterable, Mapping, Sequence

from tasks.research.training.record import CurvePoint
from warehouse.summary import Metric


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows)]
    return "\n".join(lines) + "\n"


def estimate_text(value: Metric | Mapping[str, float | None] | None) -> str:
    """An estimate with its interval; a dash where there is none."""
    if value is None or value["estimate"] is None:
        return "–"
    interval = f" [{value['low']:.3f}, {value['high']:.3f}]" if value["low"] is not None else ""
    return f"{value['estimate']:.3f}{interval}"


def milestones(curve: Sequence[CurvePoint]) -> str:
    """Development accuracy at half, three quarters and the end of a training: equal where the curve is flat."""
    indices = (-(-len(curve) * quarters // 4) - 1 for quarters in (2, 3, 4))
    return ", ".join(f"{curve[index]['accuracy']:.3f}" for index in indices)
