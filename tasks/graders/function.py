"""A user's own grader: a function of (gold, answer), called in worker processes alone.

Its parameters' names say what it is handed besides: the problem's row, the trace's text, the reasoning.
"""

import ast
import hashlib
import importlib
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from configs.graders import FunctionGrader
from configs.messages import nearest
from configs.schema import UserError
from tasks.graders.extraction import boxed_answers, whole_answers
from tasks.graders.normalise import vote_key
from tasks.graders.protocol import Case, Said, Scored, Verdict, key_of, scored, settings_of
from tasks.graders.workers import Decide, Workers
from warehouse.records import Problem

_FIRST = ("gold", "answer")
_OF_TRACE = ("text", "reasoning")
_NAMES = (*_FIRST, "problem", *_OF_TRACE)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Function:
    """Calls `module:function`; what it raises is a grader_error, what it loops over a timeout.

    Its key holds the digest of the module's file, so that a changed function grades anew; what the
    module itself imports is not in it. Raises UserError where there is no such module or a parameter
    that nothing is known of.
    """

    def __init__(self, form: FunctionGrader, problems: Mapping[str, Problem] | None = None) -> None:
        self._form, self._problems, self.complaints = form, problems or {}, []
        module, _, name = form.function.partition(":")
        source = _source_of(module, form.path).read_bytes()
        self._arguments = _arguments_of(source, name)
        self.reads_traces = not set(self._arguments.names).isdisjoint(_OF_TRACE)
        content = hashlib.sha256(source).hexdigest()
        self.key = key_of("function", "5", settings_of(form, "path") | {"source": content})
        self._workers = Workers(load, (module, name, form.path or "", str(form.threshold)))

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """All of it, or the last box."""
        return whole_answers(texts) if self._form.answer == "whole" else boxed_answers(texts, "none")

    def vote_key(self, answer: str) -> str:
        """The normal form of a mathematical answer."""
        return vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict | None:  # noqa: ARG002
        """Nothing is decided but by the function."""
        return None

    def proves(self, gold: str, answer: str) -> bool:  # noqa: ARG002
        """The function reads every answer."""
        return True

    def work_out(self, cases: Collection[Case]) -> dict[Case, Said]:
        """What the function says of each distinct case."""
        ordered = list(cases)
        are_all = self._arguments.are_all
        said = self._workers.said((case.gold, case.answer, self._by_name(case), are_all) for case in ordered)
        return dict(zip(ordered, said, strict=True))

    def close(self) -> None:
        """End the workers."""
        self._workers.close()

    def _by_name(self, case: Case) -> dict[str, Any]:
        every: dict[str, Any] = {
            "gold": case.gold, "answer": case.answer, "text": case.text, "reasoning": case.reasoning
        }  # fmt: skip
        if "problem" in self._arguments.names:
            every["problem"] = _row(self._problems[case.problem_digest])
        return {name: every[name] for name in self._arguments.names}


def load(module: str, name: str, path: str, threshold: str = "1") -> Decide:
    """The function, imported in a worker. Raises UserError naming what is missing."""
    if path:
        sys.path.insert(0, path)
    try:
        function: Callable[..., object] = getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise UserError(f"grader.function: the module {module} has no {name}.") from error
    except Exception as error:
        raise UserError(
            f"grader.function: importing {module} failed: {type(error).__name__}: {error}"
        ) from error

    def decide(
        gold: str,
        answer: str,
        named: Mapping[str, Any] = _NOTHING,
        are_all: bool = False,  # noqa: FBT001, FBT002 - a worker's call has places only
    ) -> bool | str | Scored:
        found = function(**named) if are_all else function(gold, answer, **named)
        return _read(found, float(threshold))

    return decide


def _read(found: object, threshold: float) -> bool | str | Scored:
    """What a function returned: a truth, a verdict's name, a score, or a truth or nothing beside a score."""
    if isinstance(found, bool | str):
        return found
    if isinstance(found, float):
        return scored(found, threshold)
    get = found.get if isinstance(found, Mapping) else lambda name: getattr(found, name, None)
    correct, score = get("correct"), get("score")
    if isinstance(score, bool) or not isinstance(score, float | int):
        return "grader_error"
    by_score = scored(float(score), threshold)
    if isinstance(correct, bool) and isinstance(by_score, Scored):
        return Scored("correct" if correct else "wrong", by_score.points)
    return by_score if correct is None else "grader_error"


def _row(problem: Problem) -> dict[str, Any]:
    """A problem as its row was: id, question, gold answer, and the benchmark's other columns under `metadata`."""
    return {
        "id": problem.problem_id,
        "question": problem.question,
        "gold": problem.gold,
        "metadata": orjson.loads(problem.metadata),
    }


class _Arguments(NamedTuple):
    """How a function is called."""

    names: tuple[str, ...] = ()
    """What it is given by name."""
    are_all: bool = False
    """Whether that is everything; otherwise gold and answer come first, without names."""


def _arguments_of(source: bytes, name: str) -> _Arguments:
    """By name where the parameters have names we know; nothing is imported to see them. Raises UserError."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise UserError(
            f"grader.function: the file that should define {name} is not Python: {error}."
        ) from error
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        _check_bound(tree, name)
        return _Arguments()
    listed = found[-1].args
    placed = [argument.arg for argument in (*listed.posonlyargs, *listed.args)]
    needed = placed[: len(placed) - len(listed.defaults)] + [
        argument.arg
        for argument, default in zip(listed.kwonlyargs, listed.kw_defaults, strict=True)
        if default is None
    ]
    known = [one for one in (*placed, *(argument.arg for argument in listed.kwonlyargs)) if one in _NAMES]
    if known and set(needed) <= set(known) and not listed.posonlyargs:
        return _Arguments(tuple(known), are_all=True)
    for one in needed[2:]:
        if one not in known:
            raise UserError(
                f"grader.function: {name} has the parameter {one}, and nothing is known of that name; it can have "
                f"{', '.join(_NAMES)}."
            )
    return _Arguments(tuple(one for one in known if one not in placed[:2] and one not in _FIRST))


def _check_bound(tree: ast.Module, name: str) -> None:
    """That something in the file may bind the name: an import, an assignment, a star."""
    keys = ("name", "id", "asname")
    said = {getattr(node, key, None) for node in ast.walk(tree) for key in keys}
    if name not in said and "*" not in said:
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        raise UserError(
            f"grader.function: its module has no {name}; {nearest(name, functions) or 'define it there.'}"
        )


def _source_of(module: str, path: str | None) -> Path:
    """The module's file, found without importing anything."""
    places = [*([path] if path else []), *sys.path]
    parts = module.split(".")
    for depth, part in enumerate(parts, start=1):
        spec = PathFinder.find_spec(".".join(parts[:depth]) if depth > 1 else part, places)
        if spec is None:
            break
        if depth == len(parts) and spec.origin:
            return Path(spec.origin)
        places = list(spec.submodule_search_locations or ())
    where = f" in {path} or" if path else ""
    raise UserError(
        f"grader.function is in {module}, which is not a module{where} on Python's path; set grader.path to "
        "the folder it is in."
    )
