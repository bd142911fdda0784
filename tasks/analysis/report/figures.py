"""The report's charts: plotly figures over the findings' rows.

We use plotly because its Python package contains all the JavaScript for drawing offline, needs no `eval` (so
the page can forbid it), is interactive, and draws flows, heat maps and intervals. Vega would be a megabyte
smaller but has no flow diagram. The page sets the colours of text, grid and background, which follow the
reader's light or dark scheme.
"""

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

import plotly.graph_objects as go

from tasks.analysis.report.data import Findings
from warehouse.catalog import Row, Rows

PALETTE = ("#4c78db", "#e0803a", "#2fa37c", "#b065c9", "#d9537a", "#9a8b2f", "#3ba3c4", "#8a7f78")
"""Distinguishable on light and dark backgrounds and, together with the symbols, for colour-blind readers."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "hexagon", "triangle-down")
FEW = 3
"""Up to this many runs, points can be labelled without overlapping."""
FEW_METHODS = 8
"""Up to this many methods of a run, all are labelled; of more, those of the frontier."""
_DOLLARS, _PLAIN, _PREFIXED = "$.3~r", ".3~g", ".3~s"
"""How numbers are written: dollars in plain decimals, seconds short, tokens and FLOP with their prefix."""
RIGHT, WRONG, UNKNOWN = "#2fa37c", "#d9537a", "#8a8f98"


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: its benchmark, title, caption, and the figure as plotly's JSON."""

    benchmark: str
    key: str
    title: str
    note: str
    figure: str
    run_id: str | None = None


def charts(found: Findings) -> Iterator[Chart]:
    """Every chart that there is data for, one benchmark after the other."""
    for benchmark in dict.fromkeys(run["benchmark"] for run in found.runs):
        runs = [run for run in found.runs if run["benchmark"] == benchmark]
        labels = {run["run_id"]: html.escape(run["label"]) for run in runs}
        styles = {run_id: (PALETTE[i % 8], SYMBOLS[i % 8]) for i, run_id in enumerate(labels)}
        for key, title, note, figure in (
            ("methods", "Accuracy by method", INTERVALS, _methods(found, labels, styles)),
            (
                "cost",
                "Accuracy and cost",
                _COST + _not_drawn(found, labels),
                _cost(found, benchmark, labels, styles),
            ),
            ("path", "Accuracy and critical path", _PATH, _path(found, benchmark, "token", labels, styles)),
            ("wait", "Accuracy and waiting", _WAIT, _path(found, benchmark, "second", labels, styles)),
            ("curves", "More samples: pass@k and cons@k", _CURVES, _curves(found, labels, styles)),
            ("pairs", "Explorer × synthesizer", _PAIRS, _pairs(found, benchmark)),
        ):
            if figure is not None:
                yield Chart(benchmark, key, title, note, figure_json(figure))
        for run_id, label in labels.items():
            figure = _flow([row for row in found.flows if row["run_id"] == run_id])
            if figure is not None:
                yield Chart(
                    benchmark,
                    "flow",
                    "What the synthesizer made of the vote" + (f": {label}" if len(labels) > 1 else ""),
                    _FLOW,
                    figure_json(figure),
                    run_id,
                )


INTERVALS = "Bars are 95 % intervals, clustered by problem."
_COST = (
    "Cost of one problem, explorer and synthesizer together. The line is the frontier: no other method shown here is as "
    "accurate at a lower cost. " + INTERVALS
)
_PATH = (
    "Tokens that must be generated one after the other: the longest of the references, then the synthesizer's answer; a "
    "vote waits for its longest sample. What is sampled side by side costs more, but makes nobody wait. "
    + INTERVALS
)
_WAIT = (
    "The same in seconds, from the latency of each request, as if none had to queue. It depends on the machine and its "
    "load. " + INTERVALS
)
_CURVES = (
    "For the explorer's samples. pass@k: the chance that one of k is right, the ceiling for choosing among them; "
    "cons@k: the vote of the first k. " + INTERVALS
)
_PAIRS = "The synthesizer's accuracy, from the latest of the report's runs for each pair."
_FLOW = "Numbers of problems: from the quality of the explorer's samples (left) to the synthesizer's answer (right)."


def _methods(found: Findings, labels: dict[str, str], styles: dict[str, tuple[str, str]]) -> go.Figure | None:
    figure = go.Figure()
    names = {
        row["metric"] for row in found.metrics if row["run_id"] in labels and row["estimate"] is not None
    }
    is_short = len(names) > FEW_METHODS
    for run_id, label in labels.items():
        points = [row for row in found.metrics if row["run_id"] == run_id and row["estimate"] is not None]
        if points:
            colour, symbol = styles[run_id]
            figure.add_scatter(
                x=[row["estimate"] for row in points],
                y=[row["metric"] if is_short else _method(row["metric"]) for row in points],
                error_x=errors(points, "estimate"),
                mode="markers",
                orientation="h",
                name=label,
                marker={"color": colour, "symbol": symbol, "size": 11},
                customdata=[[row["low"], row["high"], row["num_problems"]] for row in points],
                hovertemplate="%{x:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}], "
                "%{customdata[2]} problems<extra>%{fullData.name}</extra>",
            )
    figure.update_layout(
        scattermode="group",
        xaxis={"range": [0, 1.02], "tickformat": ".0%"},
        yaxis={
            "autorange": "reversed",
            "type": "category",
            "automargin": True,
            "dtick": 1,
            "tickfont": {"size": 9 if is_short else 12},
        },
        showlegend=len(labels) > 1,
    )
    return figure if figure.data else None


def _cost(
    found: Findings, benchmark: str, labels: dict[str, str], styles: dict[str, tuple[str, str]]
) -> go.Figure | None:
    methods = [row for row in found.methods if row["benchmark"] == benchmark]
    if not methods:
        return None
    is_priced = methods[0]["unit"] == "dollars"
    title, scale, shape = (
        ("dollars per problem", 1.0, _DOLLARS) if is_priced else ("FLOP per problem", 1e15, _PREFIXED)
    )
    points = [
        row | {"x": row["cost_per_problem"] * scale, "is_best": row["is_on_frontier"]} for row in methods
    ]
    return _frontier(points, title, shape, labels, styles)


def _path(
    found: Findings, benchmark: str, unit: str, labels: dict[str, str], styles: dict[str, tuple[str, str]]
) -> go.Figure | None:
    """Accuracy against the critical path in `token`s or `second`s."""
    points = [
        row | {"x": row[f"path_{unit}s_p50"], "is_best": row[f"is_on_{unit}_frontier"]}
        for row in found.paths
        if row["benchmark"] == benchmark and row[f"path_{unit}s_p50"]
    ]
    title = f"{unit}s on the critical path of a problem, median"
    shape = _PLAIN if unit == "second" else _PREFIXED
    return _frontier(sorted(points, key=itemgetter("x")), title, shape, labels, styles) if points else None


def _frontier(
    rows: Rows, title: str, shape: str, labels: dict[str, str], styles: dict[str, tuple[str, str]]
) -> go.Figure:
    """Methods by what they take (`x`, logarithmic) and their accuracy; those that are `is_best` are joined by a line."""
    figure = go.Figure()
    frontier = [row for row in rows if row["is_best"]]
    figure.add_scatter(
        x=[row["x"] for row in frontier],
        y=[row["accuracy"] for row in frontier],
        mode="lines",
        line={"shape": "hv", "dash": "dot", "width": 1.5, "color": UNKNOWN},
        name="frontier",
        hoverinfo="skip",
    )
    for run_id, label in labels.items():
        points = [row for row in rows if row["run_id"] == run_id]
        if points:
            colour, symbol = styles[run_id]
            are_all_named = len(points) <= FEW_METHODS
            figure.add_scatter(
                x=[row["x"] for row in points],
                y=[row["accuracy"] for row in points],
                error_y=errors(points, "accuracy"),
                mode="markers+text" if len(labels) <= FEW else "markers",
                text=[
                    row["metric"] if are_all_named or row["is_best"] or row["metric"] == "a2r" else ""
                    for row in points
                ],
                textposition="bottom right",
                cliponaxis=False,
                name=label,
                marker={"color": colour, "symbol": symbol, "size": 11},
                customdata=[[row["metric"], row["low"], row["high"], row["num_problems"]] for row in points],
                hovertemplate="%{customdata[0]}: %{y:.3f} [%{customdata[1]:.3f}, %{customdata[2]:.3f}] at %{x:"
                f"{shape}}}, "
                "%{customdata[3]} problems<extra>%{fullData.name}</extra>",
            )
    figure.update_layout(
        xaxis={
            "title": title,
            "type": "log",
            "tickformat": shape,
            **_decades([row["x"] for row in rows]),
        },
        yaxis={"title": "accuracy", "tickformat": ".0%", "rangemode": "tozero"},
        showlegend=len(labels) > 1,
    )
    return figure


def _not_drawn(found: Findings, labels: dict[str, str]) -> str:
    """Which methods of these runs have no cost, and why, as a sentence of the chart's caption."""
    drawn = {(row["run_id"], row["metric"]) for row in found.methods}
    sentences = []
    for run_id, label in labels.items():
        names = [
            row["metric"]
            for row in found.metrics
            if row["run_id"] == run_id
            and row["estimate"] is not None
            and (run_id, row["metric"]) not in drawn
            and row["measure"] != "pass"
        ]
        notes = {
            row["cost_note"] for row in found.leaderboard if row["run_id"] == run_id and row["cost_note"]
        }
        if names:
            run = f" of {html.unescape(label)}" if len(labels) > 1 else ""
            sentences.append(
                f" Not drawn: {', '.join(names)}{run}, whose cost is unknown ({'; '.join(sorted(notes))})."
            )
    return "".join(sentences)


def _curves(found: Findings, labels: dict[str, str], styles: dict[str, tuple[str, str]]) -> go.Figure | None:
    figure = go.Figure()
    rows = [row for row in found.curves if row["run_id"] in labels and not row["is_reader"]]
    for run_id, stage, name, colour in _explorer_lines(found, rows, labels, styles):
        for estimator, dash, symbol in (("pass@k", "solid", "circle"), ("cons@k", "dash", "diamond")):
            points = [
                row
                for row in rows
                if (row["run_id"], row["stage"], row["estimator"]) == (run_id, stage, estimator)
                and row["estimate"] is not None
            ]
            if len(points) > 1:
                figure.add_scatter(
                    x=[row["k"] for row in points],
                    y=[row["estimate"] for row in points],
                    error_y=errors(points, "estimate"),
                    mode="lines+markers",
                    name=f"{name}{estimator}",
                    line={"color": colour, "dash": dash},
                    marker={"symbol": symbol, "size": 8},
                    customdata=[[row["low"], row["high"], row["num_problems"]] for row in points],
                    hovertemplate="k = %{x}: %{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}], "
                    "%{customdata[2]} problems<extra>%{fullData.name}</extra>",
                )
    ks = sorted({row["k"] for row in rows})
    figure.update_layout(
        xaxis={"title": "k (samples)", "type": "log", "tickvals": ks, "ticktext": [str(k) for k in ks]},
        yaxis={"tickformat": ".0%", "rangemode": "tozero"},
        showlegend=True,
    )
    return figure if figure.data else None


def _explorer_lines(
    found: Findings, rows: Rows, labels: dict[str, str], styles: dict[str, tuple[str, str]]
) -> Iterator[tuple[str, str, str, str]]:
    """Run, stage, how its lines are called, and colour: of a run alone each explorer and all together, beside others these."""
    for run_id, label in _explorers(found, labels).items():
        most: dict[str, int] = {}
        for row in rows:
            if row["run_id"] == run_id:
                most[row["stage"]] = max(most.get(row["stage"], 0), row["k"])
        stages = sorted(most, key=lambda stage: -most[stage])
        if len(labels) > 1:
            yield from ((run_id, stage, f"{label} ", styles[run_id][0]) for stage in stages[:1])
        elif len(stages) == 1:
            yield run_id, stages[0], "", styles[run_id][0]
        else:
            for place, stage in enumerate(stages):
                yield run_id, stage, f"{html.escape(stage)} ", PALETTE[place % len(PALETTE)]


def _explorers(found: Findings, labels: dict[str, str]) -> dict[str, str]:
    """One run for each distinct set of explorer samples, labelled with the explorer's name if that is unique."""
    distinct: dict[tuple[float | None, ...], str] = {}
    for run_id in labels:
        points = (r["estimate"] for r in found.curves if r["run_id"] == run_id and not r["is_reader"])
        distinct.setdefault(tuple(points), run_id)
    names = {
        run["run_id"]: html.escape(run["explorer"])
        for run in found.runs
        if run["run_id"] in distinct.values()
    }
    return names if len(set(names.values())) == len(names) else {run_id: labels[run_id] for run_id in names}


def _pairs(found: Findings, benchmark: str) -> go.Figure | None:
    """The heat map of a sweep; None for a single pair."""
    pairs = {(r["explorer"], r["synthesizer"]): r for r in found.pairs if r["benchmark"] == benchmark}
    if len(pairs) < 2:  # noqa: PLR2004 - two make a comparison
        return None
    explorers = list(dict.fromkeys(explorer for explorer, _ in pairs))
    synthesizers = list(dict.fromkeys(synthesizer for _, synthesizer in pairs))
    grid = [[pairs.get((explorer, synthesizer)) for explorer in explorers] for synthesizer in synthesizers]
    return go.Figure(
        go.Heatmap(
            x=[html.escape(name) for name in explorers],
            y=[html.escape(name) for name in synthesizers],
            z=[[cell["estimate"] if cell else None for cell in line] for line in grid],
            text=[[_cell(cell) for cell in line] for line in grid],
            texttemplate="%{text}",
            hovertemplate="explorer %{x}<br>synthesizer %{y}<br>%{text}<extra></extra>",
            colorscale="Viridis",
            colorbar={"tickformat": ".0%", "thickness": 12, "outlinewidth": 0},
            xgap=2,
            ygap=2,
        ),
        {
            "xaxis": {"title": "explorer", "type": "category", "showgrid": False},
            "yaxis": {"title": "synthesizer", "type": "category", "showgrid": False, "automargin": True},
        },
    )


def _flow(flows: Rows) -> go.Figure | None:
    if not flows:
        return None
    names = (
        "vote right",
        "vote wrong, a sample right",
        "no sample right",
        "no vote",
        "synthesizer right",
        "synthesizer wrong",
        "no verdict",
    )
    counts: dict[tuple[int, int], int] = {}
    outcomes: dict[tuple[int, int], str] = {}
    for row in flows:
        source = {True: 0, None: 3}.get(row["is_majority_right"], 1 if row["is_any_right"] else 2)
        target = {True: 4, False: 5}.get(row["is_synthesizer_right"], 6)
        counts[source, target] = counts.get((source, target), 0) + row["num_problems"]
        outcomes[source, target] = row["outcome"] or "no verdict"
    ends = {end for pair in counts for end in pair}
    used = [node for node in range(len(names)) if node in ends]
    colours = (RIGHT, "#d9a13a", WRONG, UNKNOWN, RIGHT, WRONG, UNKNOWN)
    sums = {end: sum(n for pair, n in counts.items() if end in pair) for end in used}
    return go.Figure(
        go.Sankey(
            node={
                "label": [f"{names[end]} · {sums[end]:,}" for end in used],
                "color": [colours[end] for end in used],
                "pad": 22,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [used.index(source) for source, _ in counts],
                "target": [used.index(target) for _, target in counts],
                "value": list(counts.values()),
                "color": [_faint(colours[target]) for _, target in counts],
                "customdata": [outcomes[pair] for pair in counts],
                "hovertemplate": "%{customdata}: %{value} problems<extra></extra>",
            },
        )
    )


def _decades(costs: list[float]) -> dict[str, object]:
    """A logarithmic axis with room for the labels and as many ticks as fit its span."""
    low, high = math.log10(min(costs)), math.log10(max(costs))
    room = max(0.12 * (high - low), 0.1)
    return {"range": [low - room, high + 2.5 * room], "dtick": "D2" if high - low < 2 else 1}  # noqa: PLR2004 - decades


def _method(metric: str) -> str:
    """A metric's name with its meaning."""
    name, _, _ = metric.partition("@")
    meaning = {
        "mean": "one sample",
        "cons": "vote",
        "pass": "any right",
        "a2r": "<b>synthesizer</b>",
        "a2r-cons": "its vote",
    }.get(name)
    return f"{meaning}<br>{metric}" if meaning else metric


def errors(found: Rows, value: str) -> dict[str, object]:
    """Error bars around `value` from each row's interval."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [None if row["high"] is None else row["high"] - row[value] for row in found],
        "arrayminus": [None if row["low"] is None else row[value] - row["low"] for row in found],
        "thickness": 1.5,
        "width": 4,
    }


def _cell(pair: Row | None) -> str:
    if pair is None or pair["estimate"] is None:
        return "–"
    interval = "" if pair["low"] is None else f"<br>[{pair['low']:.3f}, {pair['high']:.3f}]"
    return f"<b>{pair['estimate']:.3f}</b>{interval}<br>n = {pair['num_problems']}"


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.35)"


def figure_json(figure: go.Figure) -> str:
    """A figure as plotly's JSON, without its template: the page has its own colours."""
    figure.layout.template = None  # pyright: ignore[reportAttributeAccessIssue]
    return figure.to_json() or "{}"
