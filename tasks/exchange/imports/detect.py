"""Detects a log's format, and the files that belong to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from configs.schema import JsonObject, UserError
from tasks.benchmarks.json_text import parse_json
from tasks.exchange.imports import inspect_logs, lm_eval, nemo_skills, rows
from tasks.exchange.imports.samples import Judgement, LogHeader, Options, ReadReport, Sample

Reader = Callable[[list[Path], Options, ReadReport], tuple[LogHeader, Iterator[Sample | Judgement]]]

READERS: dict[str, Reader] = {
    lm_eval.NAME: lm_eval.read,
    inspect_logs.NAME: inspect_logs.read,
    nemo_skills.NAME: nemo_skills.read,
    rows.NAME: rows.read,
}
_LINES_TRIED = 20
_PATTERNS = ("samples_*.jsonl", "*.eval", "output-rs*.jsonl")


def files_of(paths: list[Path]) -> list[Path]:
    """The files of the log: the paths given, or the log files in a folder given. Raises UserError."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; give a log's file or folder.")
        files += _within(path) if path.is_dir() else [path]
    return files


def _within(folder: Path) -> list[Path]:
    for pattern in _PATTERNS:
        found = sorted(folder.rglob(pattern))
        if len(found) > 1 and not pattern.startswith("output"):
            names = "\n  ".join(map(str, found[:_LINES_TRIED]))
            raise UserError(
                f"{folder} holds {len(found)} logs, each of a separate run; name one of them:\n  {names}"
            )
        if found:
            return found
    raise UserError(
        f"{folder} holds no log with a known file name ({', '.join(_PATTERNS)}); name the file itself."
    )


def format_of(files: list[Path]) -> str:
    """The format of a log's files, detected from their content. Raises UserError for an unknown format."""
    file = files[0]
    match file.suffix:
        case ".eval":
            return inspect_logs.NAME
        case ".parquet":
            return rows.NAME
        case ".json":
            return inspect_logs.NAME
        case ".jsonl":
            return _format_of_lines(file)
        case _:
            raise UserError(
                f"{file} is neither .eval, .json, .jsonl nor .parquet; convert it, or say what it is with "
                f"--format ({', '.join(READERS)})."
            )


def _format_of_lines(file: Path) -> str:
    """Detected from the first readable line; a log may begin with a broken one."""
    row: JsonObject = {}
    with file.open("rb") as lines:
        for _, line in zip(range(_LINES_TRIED), lines, strict=False):
            try:
                found = parse_json(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                row = found
                break
    if lm_eval.is_row(row):
        return lm_eval.NAME
    if nemo_skills.is_row(row):
        return nemo_skills.NAME
    return rows.NAME
