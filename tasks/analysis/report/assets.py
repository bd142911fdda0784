"""The page's files, and what its template is told; the same whether it is one file or served."""

import importlib.util
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata, resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import JsonValue

from tasks.analysis.report.data import Findings

READER = ("maths.js", "charts.js", "problems.js", "differences.js", "reader.js", "start.js")
ENVIRONMENT = Environment(
    loader=PackageLoader("tasks.analysis.report", "page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page_values(found: Findings) -> dict[str, object]:
    """What the template shows of findings, as a file or served."""
    return {
        "found": found,
        "settings": _settings,
        "made_at": datetime.now(UTC),
        "version": metadata.version("a2r"),
    }


def run_labels(found: Findings) -> dict[str, object]:
    """Each run's short name and benchmark, by its id."""
    return {run["run_id"]: {"label": run["label"], "benchmark": run["benchmark"]} for run in found.runs}


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


def script_of(*names: str) -> str:
    """Scripts of the page as one."""
    return '"use strict";\n' + "\n".join(map(page_file, names))


def page_file(name: str) -> str:
    """A file of the page's folder."""
    return resources.files("tasks.analysis.report").joinpath("page", name).read_text(encoding="utf-8")


@cache
def katex_script() -> str | None:
    """KaTeX from the package `pelican-katex`, found without importing it; None leaves maths as text."""
    package = importlib.util.find_spec("pelican_katex")
    folders = package.submodule_search_locations if package else None
    files = sorted(Path(folders[0]).glob("katex.*.js")) if folders else []
    return files[-1].read_text(encoding="utf-8") if files else None
