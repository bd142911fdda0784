"""An experiment's history: each of its headline metrics over its runs, with their intervals."""

import html
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter

import orjson
import plotly.graph_objects as go

from tasks.analysis.report.figures import INTERVALS, PALETTE, SYMBOLS, Chart, errors, figure_json
from warehouse.catalog import Rows

_NOTE = "Every run of the experiment on this benchmark, by when it started; the last 200. " + INTERVALS


def history_charts(history: Rows) -> Iterator[Chart]:
    """A chart per experiment and benchmark that ran more than once; `history` is in their order, then in time's."""
    for (experiment, benchmark), found in groupby(history, key=itemgetter("experiment", "benchmark")):
        nights = list(found)
        if len({row["run_id"] for row in nights}) > 1:
            title = f"Over the nights: {experiment}"
            yield Chart(benchmark, "history", title, _NOTE, figure_json(_figure(nights)))


def charts_as_json(drawn: Iterable[Chart]) -> list[object]:
    """Charts for orjson, whose figures are JSON already."""
    return [asdict(chart) | {"figure": orjson.Fragment(chart.figure)} for chart in drawn]


def _figure(nights: Rows) -> go.Figure:
    figure = go.Figure()
    for place, metric in enumerate(dict.fromkeys(row["metric"] for row in nights)):
        points = [row for row in nights if row["metric"] == metric]
        figure.add_scatter(
            x=[row["started_at"].isoformat() for row in points],
            y=[row["estimate"] for row in points],
            error_y=errors(points, "estimate"),
            mode="lines+markers",
            name=metric,
            line={"color": PALETTE[place % 8], "width": 1.5},
            marker={"symbol": SYMBOLS[place % 8], "size": 8},
            customdata=[
                [html.escape(row["run_id"]), row["low"], row["high"], row["num_problems"], row["status"]]
                for row in points
            ],
            hovertemplate="%{y:.3f} [%{customdata[1]:.3f}, %{customdata[2]:.3f}], %{customdata[3]} problems, "
            "%{customdata[4]}<br>%{customdata[0]}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        xaxis={"type": "date"},
        yaxis={"tickformat": ".0%"},
        showlegend=True,
    )
    return figure
