"""A log's own verdicts, stored as the grades of a grader named after the log.

One query over `grades` then shows where the log and our grader disagree. The log's verdicts never enter our scores.
"""

import re
from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from tasks.exchange.imports.recording import Recording
from tasks.exchange.imports.samples import Judgement
from warehouse.grades import read_grades, write_grades
from warehouse.identity import Recipe, trace_id
from warehouse.records import GRADES
from warehouse.store import Store

_GRADES_AT_ONCE = 65_536
_LONGEST_ANSWER = 200
"""Characters; some scorers report the whole output as the answer, which is useless and already stored."""


def grader_name(tool: str, scorer: str) -> str:
    """The value of `grades.grader`, such as inspect-match or lm_eval-exact_match.first."""
    return f"{tool}-{re.sub(r'[^A-Za-z0-9_.]+', '_', scorer)}"


def keep_judgements(
    store: Store, recipe: Recipe, tool: str, judgements: Iterable[Judgement], recording: Recording
) -> dict[str, tuple[int, int]]:
    """Store the verdicts as grades of their traces; returns for each grader the number of verdicts and of correct ones."""
    pending: dict[str, list[dict[str, object]]] = {}
    graded: dict[str, set[tuple[str, ...]]] = {}
    num, num_correct = Counter[str](), Counter[str]()
    for judgement in judgements:
        problem = recording.problems.get(judgement.problem_id)
        if problem is None or not problem.owns_question:
            continue
        grader = grader_name(tool, judgement.scorer)
        num[grader] += 1
        num_correct[grader] += judgement.is_correct
        if grader not in graded:
            graded[grader] = set(read_grades(store, grader, recipe, ["trace_id", "gold"]))
        judged_id = trace_id(recipe, problem.digest, problem.rank(judgement.sample_index))
        if (judged_id, problem.gold) in graded[grader]:
            continue
        rows = pending.setdefault(grader, [])
        rows.append(
            {
                "trace_id": judged_id,
                "problem_digest": problem.digest,
                "gold": problem.gold,
                "verdict": "correct" if judgement.is_correct else "wrong",
                "is_correct": judgement.is_correct,
                "extracted": _short(judgement.extracted),
            }
        )
        if len(rows) >= _GRADES_AT_ONCE:
            write_grades(store, grader, recipe, _table(pending.pop(grader)))
    for grader, rows in pending.items():
        write_grades(store, grader, recipe, _table(rows))
    return {grader: (count, num_correct[grader]) for grader, count in num.items()}


def _short(answer: str | None) -> str | None:
    return answer if answer is not None and len(answer) <= _LONGEST_ANSWER else None


def _table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=GRADES)
