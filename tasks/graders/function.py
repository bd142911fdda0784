"""A user's own grader: a function of (gold, answer), called in worker processes alone."""

import ast
import hashlib
import importlib
import sys
from collections.abc import Collection, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from configs.graders import FunctionGrader
from configs.messages import nearest
from configs.schema import UserError
from tasks.graders.extraction import boxed_answers, whole_answers
from tasks.graders.normalise import vote_key
from tasks.graders.protocol import Case, Verdict, key_of, settings_of
from tasks.graders.workers import Decide, Workers


class Function:
    """Calls `module:function`; what it raises is a grader_error, what it loops over a timeout.

    Its key holds the digest of the module's file, so that a changed function grades anew; what the
    module itself imports is not in it. Raises UserError where there is no such module.
    """

    def __init__(self, form: FunctionGrader) -> None:
        self._form, self.complaints = form, []
        module, _, name = form.function.partition(":")
        source = _source_of(module, form.path)
        content = hashlib.sha256(source.read_bytes()).hexdigest()
        _check_defined(source, name)
        self.key = key_of("function", "2", settings_of(form, "path") | {"source": content})
        self._workers = Workers(load, (module, name, form.path or ""))

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The last box, or all of it."""
        return whole_answers(texts) if self._form.answer == "whole" else boxed_answers(texts, "none")

    def vote_key(self, answer: str) -> str:
        """The normal form of a mathematical answer."""
        return vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict | None:  # noqa: ARG002
        """Nothing is decided but by the function."""
        return None

    def work_out(self, cases: Collection[Case]) -> dict[Case, Verdict]:
        """What the function says of each distinct pair."""
        ordered = list(cases)
        verdicts = self._workers.verdicts((case.gold, case.answer) for case in ordered)
        return dict(zip(ordered, verdicts, strict=True))

    def close(self) -> None:
        """End the workers."""
        self._workers.close()


def load(module: str, name: str, path: str) -> Decide:
    """The function, imported in a worker. Raises UserError naming what is missing."""
    if path:
        sys.path.insert(0, path)
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise UserError(f"grader.function: the module {module} has no {name}.") from error
    except Exception as error:
        raise UserError(
            f"grader.function: importing {module} failed: {type(error).__name__}: {error}"
        ) from error


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


def _check_defined(source: Path, name: str) -> None:
    """The file can be parsed and binds the name somewhere; nothing is imported. Raises UserError."""
    if source.suffix != ".py":
        return
    try:
        nodes = list(ast.walk(ast.parse(source.read_bytes())))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"grader.function: {source} is not Python: {error}.") from error
    defined = {
        getattr(node, key)
        for node in nodes
        for key in ("name", "id", "asname")
        if isinstance(getattr(node, key, None), str)
    }
    if name not in defined and "*" not in defined:
        functions = [node.name for node in nodes if isinstance(node, ast.FunctionDef)]
        hint = f" {meant}" if (meant := nearest(name, functions)) else ""
        raise UserError(f"grader.function: {source} has no {name};{hint or ' define it there.'}")
