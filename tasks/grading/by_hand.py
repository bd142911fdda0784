"""Verdicts by hand from a file: CSV or JSON lines, each row checked against the root before any of them is entered."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from configs.messages import nearest
from configs.schema import UserError
from tasks.graders.normalise import vote_key
from warehouse import loader
from warehouse.catalog import Row, connect, rows
from warehouse.corrections import Correction, Entered, enter, in_force
from warehouse.relations import statement
from warehouse.store import Store

COLUMNS = ("trace", "problem", "answer", "verdict", "who", "why", "benchmark")
_SYNONYMS = {"trace_id": "trace", "problem_id": "problem", "extracted": "answer"}
"""Names that columns have in SQL, so that the rows of a query can be filled in and given back."""
MOST_SENTENCES = 20
"""Bad rows that are named; of more, their number."""


class OverrideReport(NamedTuple):
    """What entering a file of verdicts changed, and what it bears on now."""

    source: str
    entered: Entered
    num_samples: int
    """Samples of all runs that are now decided by hand, by this and any other file."""
    num_runs: int


def change(root: str, withdrawn: str | None, entered: Path | None) -> list[OverrideReport]:
    """Withdraw one file's verdicts and enter another's, either or both. Raises UserError."""
    store, reports = Store(root), list[OverrideReport]()
    if withdrawn is not None:
        reports.append(withdraw(store, withdrawn))
    if entered is not None:
        reports.append(override(store, entered))
    return reports


def override(store: Store, file: Path) -> OverrideReport:
    """Let a file's rows be in force above every grader, in place of what a file of this name said before.

    Raises UserError with a sentence per bad row; then nothing of the file is entered.
    """
    found = list(_lines(file))
    loader.load(store)
    corrections, complaints = _resolved(store, file.name, found)
    if complaints:
        rest = len(complaints) - MOST_SENTENCES
        more = [f"… and {rest:,} more rows."] if rest > 0 else []
        head = (
            f"{file.name}: {len(complaints):,} of {len(found):,} rows are not verdicts, so none was entered."
        )
        raise UserError("\n".join((head, *complaints[:MOST_SENTENCES], *more)))
    return _reported(store, file.name, enter(store, file.name, corrections))


def withdraw(store: Store, source: str) -> OverrideReport:
    """Let nothing of a file be in force any more. Raises UserError for one of which nothing is."""
    name = Path(source).name
    known = sorted({held.source for held in in_force(store)})
    if name not in known:
        there = f"there are verdicts of {', '.join(known)}" if known else "there are none by hand"
        raise UserError(f"No verdicts of a file {name} are in force under {store.root}; {there}.")
    return _reported(store, name, enter(store, name, ()))


def _reported(store: Store, source: str, entered: Entered) -> OverrideReport:
    loader.load(store)
    with connect(store) as catalog:
        [found] = rows(catalog, statement("asking/by_hand"))
    return OverrideReport(source, entered, found["num_samples"], found["num_runs"])


# --- the file ---------------------------------------------------------------------------------------


def _lines(file: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Line number and content of each row. Raises UserError for a file that cannot be read as a whole."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}; give a CSV or JSON lines file in UTF-8.") from error
    match file.suffix:
        case ".csv":
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            _check_columns(file, reader.fieldnames or ())
            try:
                for row in reader:
                    yield reader.line_num, row
            except csv.Error as error:
                raise UserError(f"{file}, line {reader.line_num} is not readable as CSV: {error}.") from error
        case ".jsonl":
            for number, line in enumerate(text.split("\n"), start=1):
                if not line.strip():
                    continue
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise UserError(f"{file}, line {number} is not JSON: {error}.") from error
                if not isinstance(row, dict):
                    raise UserError(f"{file}, line {number} is not an object with columns.")
                _check_columns(file, row)
                yield number, row
        case suffix:
            raise UserError(f"{file} ends in {suffix or 'nothing'}; give a .csv or a .jsonl file.")


def _check_columns(file: Path, names: Sequence[str] | Mapping[str, object]) -> None:
    """A misspelt column would be ignored, and a verdict on an answer become one on all of a problem's answers."""
    for name in names:
        if _SYNONYMS.get(name, name) not in COLUMNS:
            meant = nearest(str(name), COLUMNS)
            raise UserError(f"{file} has a column {name!r}; {meant} Known: {', '.join(COLUMNS)}.")


# --- its rows ---------------------------------------------------------------------------------------


def _resolved(
    store: Store, source: str, found: Sequence[tuple[int, Mapping[str, object]]]
) -> tuple[list[Correction], list[str]]:
    """The rows as corrections, and a sentence for each that is none."""
    read = [(number, {_SYNONYMS.get(k, k): _text(v) for k, v in row.items() if k}) for number, row in found]
    with connect(store) as catalog:
        ids = {"ids": sorted({row[n] for _, row in read for n in ("trace", "problem") if row.get(n)})}
        traces = {row["trace_id"]: row for row in rows(catalog, statement("asking/known_traces"), ids)}
        problems = rows(catalog, statement("asking/known_problems"), ids)
    corrections: dict[tuple[str | None, ...], Correction] = {}
    complaints: list[str] = []
    for number, row in read:
        try:
            made = _correction(source, number, row, _target(row, traces, problems))
        except _BadRow as error:
            complaints.append(f"{source}, line {number} {error}.")
            continue
        first = corrections.setdefault(made.key, made)
        if first is not made:
            complaints.append(
                f"{source}, line {number} decides the same as line {first.line}; keep one of them."
            )
    return list(corrections.values()), complaints


class _BadRow(ValueError):
    """The rest of a sentence that begins with the row's line."""


class _Target(NamedTuple):
    """What a row decides."""

    trace_id: str | None
    problem_digest: str
    problem_id: str
    answer: str | None


def _correction(source: str, line: int, row: Mapping[str, str], target: _Target) -> Correction:
    """A row's correction. Raises _BadRow."""
    verdict = row.get("verdict")
    if verdict not in {"correct", "wrong"}:
        held = f"has the verdict {verdict!r}" if verdict else "lacks verdict"
        raise _BadRow(f"{held}; write correct or wrong")
    for name, reason in (("who", "who decided"), ("why", "the reason")):
        if not row.get(name):
            raise _BadRow(f"lacks {name}; say {reason}")
    return Correction(
        source=source,
        line=line,
        **target._asdict(),
        vote_key=vote_key(target.answer) if target.answer else None,
        verdict="correct" if verdict == "correct" else "wrong",
        who=row["who"],
        why=row["why"],
    )


def _target(row: Mapping[str, str], traces: Mapping[str, Row], problems: Sequence[Row]) -> _Target:
    """The trace or the problem that a row names. Raises _BadRow."""
    trace, problem = row.get("trace"), row.get("problem")
    if trace:
        return _trace(trace, problem, traces.get(trace))
    if problem:
        return _problem(problem, row.get("benchmark"), row.get("answer") or None, problems)
    raise _BadRow("names neither a trace nor a problem; fill in one of them")


def _trace(trace: str, problem: str | None, held: Row | None) -> _Target:
    if held is None:
        raise _BadRow(f'has the trace {trace}, which is not stored; `a2r sql "from samples"` lists trace_id')
    if held["stage"] == "judge":
        raise _BadRow(f"has the trace {trace}, which is a judge's reply; decide on the trace that it judged")
    digest, known_as = held["problem_digest"], held["problem_ids"] or [held["problem_digest"]]
    if problem and problem not in {*known_as, digest}:
        raise _BadRow(
            f"has a trace of the problem {known_as[0]} and the problem {problem}; correct one of them"
        )
    return _Target(trace, digest, problem or known_as[0], None)


def _problem(problem: str, benchmark: str | None, answer: str | None, problems: Sequence[Row]) -> _Target:
    known = [
        held
        for held in problems
        if problem in {held["problem_id"], held["problem_digest"]}
        and benchmark in {None, "", held["benchmark"]}
    ]
    if not known:
        where = f" of {benchmark}" if benchmark else ""
        raise _BadRow(
            f'has the problem {problem}{where}, which is not stored; `a2r sql "from problems"` lists them'
        )
    if len({held["problem_digest"] for held in known}) > 1:
        named = ", ".join(sorted({held["benchmark"] for held in known}))
        raise _BadRow(
            f"has the problem {problem}, of which there are several ({named}); add a column benchmark, or give its problem_digest"
        )
    return _Target(None, known[0]["problem_digest"], known[0]["problem_id"], answer)


def _text(value: object) -> str:
    """A cell as text; numbers in JSON are taken as they are written."""
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else orjson.dumps(value, default=str).decode()
