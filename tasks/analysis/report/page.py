"""Writes the report: one HTML file, streamed, and renamed into place once it is complete.

The page fetches nothing, and its Content-Security-Policy forbids it to: scripts run only if the policy
lists their SHA-256, so text written by a model can never run. All data is gzipped JSON in base64; the page
turns it into text nodes, and into MathML with KaTeX, never into markup.
"""

import base64
import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import orjson
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from configs.schema import UserError
from tasks.analysis.report.assets import (
    ENVIRONMENT,
    READER,
    katex_script,
    page_file,
    page_values,
    run_labels,
    script_of,
)
from tasks.analysis.report.chunks import Embedded, TextLimits, chunks, packed_text
from tasks.analysis.report.data import Findings, findings
from tasks.analysis.report.figures import charts
from tasks.analysis.report.history import charts_as_json, history_charts
from tasks.progress import PROGRESS
from warehouse.files import atomic_file
from warehouse.store import Store

FILE_SCRIPTS = ("dom.js", "embedded.js", *READER, "open_file.js")
"""Concatenated in this order into the one script of a file."""


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
    pieces = ENVIRONMENT.get_template("page.html.jinja").generate(
        **_static(found, limits),
        chunks=chunks(store, found, limits, embedded, PROGRESS),
        directory=lambda: packed_text(orjson.dumps(asdict(embedded))),
    )
    with store.listed_once():
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
    script, plotly, katex = script_of(*FILE_SCRIPTS), get_plotlyjs(), katex_script()
    names = list(found.problems[0]) if found.problems else []
    table = {"columns": names, "rows": [list(problem.values()) for problem in found.problems]}
    return page_values(found) | {
        "is_served": False,
        "limits": limits,
        "style": Markup(page_file("page.css")),  # noqa: S704 - shipped with the package
        "script": Markup(script),  # noqa: S704 - shipped with the package
        "hashes": [_hash(text) for text in (script, plotly, katex) if text],
        "libraries": {"plotly": _packed(plotly), "katex": _packed(katex) if katex else None},
        "data": packed_text(
            orjson.dumps(
                {
                    "runs": run_labels(found),
                    "keys": metadata_keys(found),
                    "problems": table,
                    "charts": charts_as_json([*charts(found), *history_charts(found.history)]),
                }
            )
        ),
    }


def metadata_keys(found: Findings) -> list[str]:
    """The names of the benchmark's further columns, by which problems can be filtered."""
    return list(dict.fromkeys(key for problem in found.problems for key in problem["metadata"]))


@cache
def _packed(text: str) -> str:
    return packed_text(text.encode())


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
