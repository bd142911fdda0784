"""What a file says together with the file it builds on, and which file says each of it.

A tree is a file's content whose every scalar remembers its source, so that a relative path stays relative to the file
that names it, and an error names the file to open.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from configs.parsing import YAMLError, read_yaml
from configs.schema import UserError


class Origin(NamedTuple):
    """A file that says something."""

    shown: str
    """What an error calls it."""
    folder: Path
    """Where its relative paths start."""


class Leaf(NamedTuple):
    """One scalar and who says it."""

    value: Any
    origin: Origin


Tree = dict[Any, Any] | list[Any] | Leaf
"""Mappings and lists as in YAML, each scalar a `Leaf`."""


def tree_of(content: object, origin: Origin) -> Tree:
    """The content of one file."""
    if isinstance(content, dict):
        return {key: tree_of(value, origin) for key, value in content.items()}
    if isinstance(content, list):
        return [tree_of(value, origin) for value in content]
    return Leaf(content, origin)


def plain(tree: Tree) -> Any:  # noqa: ANN401 - whatever YAML holds
    """The content without its origins."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    return [plain(value) for value in tree] if isinstance(tree, list) else tree.value


def merged(base: dict[Any, Any], own: dict[Any, Any]) -> dict[Any, Any]:
    """What a file says on top of its base.

    Mappings are merged; lists and scalars replace the base's, and null removes them. A mapping that describes another
    thing than the base's (see `_another`) replaces it as a whole: the settings of one engine mean nothing to another,
    and neither do the price and the revision of one model to the next.
    """
    result = dict(base)
    for key, value in own.items():
        below = base.get(key)
        if isinstance(value, Leaf) and value.value is None:
            result.pop(key, None)
        elif isinstance(below, dict) and isinstance(value, dict) and not _another(key, below, value):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _another(key: object, below: dict[Any, Any], value: dict[Any, Any]) -> bool:
    """Whether both name what they describe (`kind`, `source`, a model's `id`), and not the same."""
    names = ("kind", "source", "id") if key == "model" else ("kind", "source")
    return any(name in value and plain(value[name]) != plain(below.get(name, value[name])) for name in names)


def override(tree: dict[Any, Any], text: str, origin: Origin) -> None:
    """Apply `key=value` in mapping; the key is dotted, entries of a list by number; the value is YAML. Raises UserError."""
    key, equals, written = text.partition("=")
    if not equals or not key:
        raise UserError(f"--set {text} is not key=value; for example --set explorer.sampling.n=8")
    try:
        value = read_yaml(written)
    except YAMLError as error:
        raise UserError(f"--set {text}: the value is not valid YAML: {error}") from error
    *parents, last = key.split(".")
    held: Any = tree
    for parent in parents:
        step = _step(held, parent, text)
        below = held.get(step) if isinstance(held, dict) else held[step]
        if below is None or (isinstance(below, Leaf) and below.value is None):
            below = held[step] = {}
        if isinstance(below, Leaf):
            raise UserError(f"--set {text}: {parent} is {plain(below)!r}, which has no setting {last}.")
        held = below
    held[_step(held, last, text)] = tree_of(value, origin)


def _step(held: object, key: str, text: str) -> str | int:
    """What a part of a dotted key is in a mapping or a list. Raises UserError."""
    if not isinstance(held, list):
        return key
    if not (key.isdecimal() and int(key) < len(held)):
        raise UserError(
            f"--set {text}: {key} is not an entry of that list of {len(held)}; count them from 0."
        )
    return int(key)


def anchor(mapping: Tree | None, key: str) -> None:
    """Make the path under a key absolute, in mapping; where there is none, nothing happens."""
    leaf = mapping.get(key) if isinstance(mapping, dict) else None
    if isinstance(mapping, dict) and isinstance(leaf, Leaf) and isinstance(leaf.value, str):
        mapping[key] = leaf._replace(value=str(leaf.origin.folder / Path(leaf.value).expanduser()))


def text_at(mapping: Tree | None, key: str) -> str:
    """The text under a key; where there is none, an empty one."""
    leaf = mapping.get(key) if isinstance(mapping, dict) else None
    return leaf.value if isinstance(leaf, Leaf) and isinstance(leaf.value, str) else ""


def origin_at(tree: Tree, path: Sequence[str | int], default: Origin) -> Origin:
    """Who says what is at a path; the default where nobody or more than one does."""
    found: Tree | None = tree
    for step in path:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            found = None
    origins = set(_origins(found)) if found is not None else set()
    return origins.pop() if len(origins) == 1 else default


def _origins(tree: Tree) -> Iterator[Origin]:
    if isinstance(tree, Leaf):
        yield tree.origin
        return
    for value in tree.values() if isinstance(tree, dict) else tree:
        yield from _origins(value)
