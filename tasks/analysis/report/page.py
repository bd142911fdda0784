"""Writes the report: one HTML file, streamed, and renamed into place once it is complete.

The page fetches nothing, and its Content-Security-Policy forbids it to: scripts run only if the policy
lists their SHA-256, so text written by a model can never run. All data is gzipped JSON in base64; the page
turns it into text nodes, and into MathML with KaTeX, never into markup.
"""

import base64
import hashlib
import importlib.util
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata, resources
from pathlib import Path

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from pydantic import JsonValue

from configs.schema import UserError
from tasks.analysis.report.chunks import Embedded, TextLimits, chunks, packed_text
from tasks.analysis.report.data import Findings, findings
from tasks.analysis.report.figures import charts
from tasks.progress import PROGRESS
from warehouse.files import atomic_file
from warehouse.store import Store

SCRIPTS = ("data.js", "maths.js", "charts.js", "problems.js", "reader.js", "start.js")
"""Concatenated in this order into one script."""
_ENVIRONMENT = Environment(
    loader=PackageLoader("tasks.analysis.report", "page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class ReportInfo:
    """What was written."""

    path: str
    num_bytes: int
    num_runs: int
    num_problems: int
    """Distinct wordings."""
    num_problems_with_texts: int
    num_traces_with_texts: int
    num_texts_cut: int
    seconds: float


def write_report(
    store: Store, run_ids: Sequence[str], path: str | Path, limits: TextLimits | None = None
) -> ReportInfo:
    """Write the report of these runs, or without run ids of the latest run of every configuration.

    An existing file is replaced only once the new one is complete. Raises UserError for an unknown run,
    a root without runs, or a path that cannot be written to.
    """
    return write_findings(store, findings(store, run_ids), path, limits)


def write_findings(
    store: Store, found: Findings, path: str | Path, limits: TextLimits | None = None
) -> ReportInfo:
    """Write these findings, with the texts of their traces. Raises UserError if the path cannot be written to."""
    began = time.monotonic()
    limits = limits or TextLimits()
    embedded = Embedded()
    pieces = _ENVIRONMENT.get_template("page.html.jinja").generate(
        **_static(found, limits),
        chunks=chunks(store, found, limits, embedded, PROGRESS),
        directory=lambda: packed_text(orjson.dumps(asdict(embedded))),
    )
    num_bytes = _write(Path(path), pieces)
    with_texts = sum(chunk is not None for chunk in embedded.chunk_of)
    return ReportInfo(
        path=str(path),
        num_bytes=num_bytes,
        num_runs=len(found.runs),
        num_problems=found.num_problems,
        num_problems_with_texts=with_texts,
        num_traces_with_texts=embedded.num_traces,
        num_texts_cut=embedded.num_cut,
        seconds=time.monotonic() - began,
    )


def _static(found: Findings, limits: TextLimits) -> dict[str, object]:
    """Everything that the template needs except the texts."""
    figures = list(charts(found))
    script, plotly, katex = _script(), get_plotlyjs(), _katex()
    names = list(found.problems[0]) if found.problems else []
    table = {"columns": names, "rows": [list(problem.values()) for problem in found.problems]}
    runs = {run["run_id"]: {"label": run["label"], "benchmark": run["benchmark"]} for run in found.runs}
    return {
        "found": found,
        "charts": figures,
        "limits": limits,
        "settings": _settings,
        "made_at": datetime.now(UTC),
        "version": metadata.version("a2r"),
        "style": Markup(_file("page.css")),  # noqa: S704 - shipped with the package
        "script": Markup(script),  # noqa: S704 - shipped with the package
        "hashes": [_hash(text) for text in (script, plotly, katex) if text],
        "libraries": {"plotly": _packed(plotly), "katex": _packed(katex) if katex else None},
        "data": packed_text(
            orjson.dumps(
                {
                    "runs": runs,
                    "problems": table,
                    "figures": [orjson.Fragment(chart.figure) for chart in figures],
                }
            )
        ),
    }


def _settings(config: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """The settings that decided a run's results, as lines; engines and addresses are private and left out."""
    fields = {name: config.get(name) for name in ("explorer", "explorers", "synthesizer", "rounds")}
    lists = {name: value if isinstance(value, list) else [value] for name, value in fields.items()}
    roles = [
        (name if len(held) == 1 else f"{name}.{i}", role)
        for name, held in lists.items()
        for i, role in enumerate(held)
    ]
    for stage, role in roles:
        if not isinstance(role, dict):
            continue
        for part in ("model", "prompt", "sampling", "references"):
            setting = role.get(part)
            if isinstance(setting, Mapping):
                setting = ", ".join(f"{k} {v}" for k, v in setting.items() if v not in (None, [], {}, ()))
            if setting:
                yield f"{stage}: {part}", str(setting)


def _script() -> str:
    return '"use strict";\n' + "\n".join(_file(name) for name in SCRIPTS)


def _file(name: str) -> str:
    return resources.files("tasks.analysis.report").joinpath("page", name).read_text(encoding="utf-8")


@cache
def _packed(text: str) -> str:
    return packed_text(text.encode())


@cache
def _katex() -> str | None:
    """KaTeX from the package `pelican-katex`, found without importing it; None leaves maths as text."""
    package = importlib.util.find_spec("pelican_katex")
    folders = package.submodule_search_locations if package else None
    files = sorted(Path(folders[0]).glob("katex.*.js")) if folders else []
    return files[-1].read_text(encoding="utf-8") if files else None


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _write(path: Path, pieces: Iterable[str]) -> int:
    """Write the page atomically; returns its bytes."""
    try:
        with atomic_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
            return file.tell()
    except OSError as error:
        raise UserError(
            f"The report cannot be written to {path}: {error.strerror or error}; choose another path with --output."
        ) from error
