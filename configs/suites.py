"""A suite's benchmarks as its file names them: presets by name, whole settings, or both, each under a short name."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from configs.layers import Leaf, Tree, plain, text_at
from configs.schema import UserError

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SUFFIXES = frozenset({".yaml", ".yml", ".jsonl", ".parquet", ".csv"})


def name_members(suite: Tree | None, benchmark_of: Callable[[Leaf], Tree | None]) -> None:
    """Turn the list `of` of a suite into a mapping of names to settings, in place; what is not a suite stays.

    A benchmark that is named keeps its name, without folders and `.yaml` where a file is named. Whole settings are called
    by their file, the last part of their hub id, or their family. Raises UserError.

    Args:
        suite: The section `benchmark` of an experiment file.
        benchmark_of: The section `benchmark` of the experiment file or preset with that name.
    """
    if not isinstance(suite, dict) or text_at(suite, "source") != "suite":
        return
    listed = suite.get("of")
    if not isinstance(listed, list | dict):
        return
    try:
        suite["of"] = _by_name(_named(listed) if isinstance(listed, list) else listed.items(), benchmark_of)
    except UserError as error:
        origin = suite["source"].origin.shown
        shown = str(error).removeprefix(f"{origin}: ")
        raise UserError(f"{origin}: {shown}") from error


def _by_name(
    members: Iterable[tuple[object, Tree]], benchmark_of: Callable[[Leaf], Tree | None]
) -> dict[str, Tree | None]:
    """The settings of each. Raises UserError for a name that cannot be one, or that is there twice, and for a single one."""
    named: dict[str, Tree | None] = {}
    for key, member in members:
        name = str(key)
        if not _NAME.fullmatch(name):
            raise UserError(
                f"benchmark.of names a benchmark {name!r}; use letters, digits, dots, dashes and underscores."
            )
        if name in named:
            raise UserError(
                f"benchmark.of holds {name} twice; remove one, or give two that differ names of their own: "
                f"of: {{{name}: …, {name}-2: …}}."
            )
        named[name] = _settings(name, member, benchmark_of)
    if len(named) == 1:
        raise UserError(
            f"benchmark.of holds {next(iter(named))} alone; add another, or name its benchmark without a suite."
        )
    return named


def _named(listed: list[Tree]) -> Iterator[tuple[str, Tree]]:
    for place, member in enumerate(listed):
        found = _text(member) or text_at(member, "path") or text_at(member, "family") or str(place)
        stem = Path(found).stem if Path(found).suffix in _SUFFIXES else found.rstrip("/").rsplit("/", 1)[-1]
        yield re.sub(r"[^A-Za-z0-9._-]", "-", stem), member


def _settings(name: str, member: Tree, benchmark_of: Callable[[Leaf], Tree | None]) -> Tree | None:
    """The settings of one benchmark, which is not a suite itself."""
    text = _text(member)
    settings = benchmark_of(member) if text and isinstance(member, Leaf) else member
    if not isinstance(settings, dict):
        shown = plain(member) if isinstance(member, Leaf | list) else member
        raise UserError(
            f"benchmark.of.{name} is {shown!r}, which has no benchmark; give a preset's name, an experiment file, or "
            "whole benchmark settings."
        )
    if text_at(settings, "source") == "suite":
        inner = settings.get("of")
        names = [_text(each) or "…" for each in inner] if isinstance(inner, list) else list(inner or ())
        shown = f"{text}, which is a suite" if text else "a suite"
        raise UserError(
            f"benchmark.of holds {shown}; name its benchmarks instead: {', '.join(map(str, names)) or '…'}."
        )
    return settings


def _text(member: Tree) -> str:
    return member.value if isinstance(member, Leaf) and isinstance(member.value, str) else ""
