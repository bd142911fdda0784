"""Several graders in order: the first decides what it can prove, what it cannot goes to the next.

Each grader grades as if it were alone, and its verdicts are stored as its own; the cascade's are made of them, and each
says which grader gave it. So nothing is decided or requested twice, and graders can be compared on the samples that
several of them graded.
"""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from configs.graders import CascadeGrader
from tasks.graders.protocol import Grader, key_of
from tasks.grading.judge import Judge
from tasks.grading.traces import Grading, grade_traces, ungraded
from tasks.stage import Stage
from warehouse.canonical import digest
from warehouse.grades import GradeRow, grades_of, valid_grades, write_grades
from warehouse.records import GRADES, Member
from warehouse.store import Store
from warehouse.verdicts import VerdictMemory

Key = tuple[str, str]
"""A trace's id and a gold answer."""


class Cascade:
    """The graders of a cascade. Its key holds theirs, and nothing that changes no verdict."""

    def __init__(self, form: CascadeGrader, graders: Sequence[Grader]) -> None:
        self.form, self.graders = form, tuple(graders)
        self.key = key_of("cascade", "1", {"of": [grader.key for grader in graders]})

    @property
    def complaints(self) -> list[str]:
        """Those of all its graders."""
        return [text for grader in self.graders for text in grader.complaints]

    @property
    def judge(self) -> Judge | None:
        """The language model among them, if there is one."""
        return next((grader for grader in self.graders if isinstance(grader, Judge)), None)

    def close(self) -> None:
        """Let go of all processes and engines."""
        for grader in self.graders:
            grader.close()


def grade_by_cascade(stage: Stage, members: Sequence[Member], cascade: Cascade) -> list[Member]:
    """Grade the stored traces that have no verdict yet; return a judge's traces behind the run's verdicts and checks."""
    store, last = Store(stage.root), cascade.graders[-1]
    decided_by = _decided_by(stage, members, cascade)
    found: dict[Key, GradeRow] = {}
    answers: dict[Key, GradeRow] = {}
    rest = [member for member in members if _key(member) not in decided_by]
    for grader in cascade.graders:
        if not rest:
            break
        _grade(stage, rest, grader)
        rows = _rows(stage, grader, {_key(member) for member in rest})
        for key, row in rows.items():
            if (
                row["extracted"] is not None
            ):  # votes are compared as the first grader that read an answer has it
                answers.setdefault(key, {name: row[name] for name in ("extracted", "vote_key")})
            if grader is last or is_proven(grader, row):
                found[key] = row | answers.get(key, {}) | {"decided_by": grader.key}
        rest = [member for member in rest if _key(member) not in found]
    if found:
        table = pa.Table.from_pylist([found[key] for key in sorted(found)], schema=GRADES)
        write_grades(store, cascade.key, stage.recipe, table)
    decided_by |= {key: row["decided_by"] for key, row in found.items()}
    checked = checked_of(members, cascade, decided_by)
    _grade(stage, checked, last)
    judge = cascade.judge
    if judge is None:
        return []
    reached = {grader.key for grader in cascade.graders[cascade.graders.index(judge) :]}
    asked = [member for member in members if decided_by.get(_key(member), judge.key) in reached]
    return judge.members(stage, [*asked, *(checked if judge is last else ())])


def is_lacking(stage: Stage, members: Sequence[Member], grader: Grader | Cascade) -> bool:
    """Whether a verdict on a stored trace is to be made, or one to be checked."""
    if stage.index.by_part(ungraded(stage, members, grader.key)):
        return True
    if not isinstance(grader, Cascade):
        return False
    checked = checked_of(members, grader, _decided_by(stage, members, grader))
    return bool(stage.index.by_part(ungraded(stage, checked, grader.graders[-1].key)))


def checked_of(members: Iterable[Member], cascade: Cascade, decided_by: Mapping[Key, str]) -> list[Member]:
    """Members that an earlier grader decided and the last one is asked about as well: the same ones in every run."""
    share, seed, last = cascade.form.check_share, cascade.form.seed, cascade.graders[-1].key
    if not share:
        return []
    return [m for m in members if decided_by.get(_key(m), last) != last and _drawn(m.trace_id, seed) < share]


def is_proven(grader: Grader, row: GradeRow) -> bool:
    """Whether a grader's verdict stands: right, certainly wrong, or cut off; not where it found no answer or gave up."""
    match row["verdict"]:
        case "correct" | "truncated":
            return True
        case "wrong":
            return grader.proves(row["gold"], row["extracted"] or "")
        case _:
            return False


def _grade(stage: Stage, members: Sequence[Member], grader: Grader) -> None:
    grade_traces(stage, members, Grading(grader, VerdictMemory(Store(stage.root), grader.key)))


def _decided_by(stage: Stage, members: Sequence[Member], cascade: Cascade) -> dict[Key, str]:
    """Which grader gave each verdict on these members that is stored."""
    columns = ["trace_id", "gold", "decided_by"]
    held = grades_of(stage.index, cascade.key, columns, members)
    return {(trace_id, gold): decider for trace_id, gold, decider in held}


def _rows(stage: Stage, grader: Grader, keys: set[Key]) -> dict[Key, GradeRow]:
    names = GRADES.names
    rows = valid_grades(stage.index, grader.key, names, {trace_id for trace_id, _ in keys})
    held = (dict(zip(names, row, strict=True)) for row in rows)
    return {key: row for row in held if (key := (row["trace_id"], row["gold"])) in keys}


def _key(member: Member) -> Key:
    return member.trace_id, member.gold


def _drawn(trace_id: str, seed: int) -> float:
    """A number from 0 to 1 that depends on nothing else."""
    return int(digest([trace_id, seed])[:13], 16) / 16**13
