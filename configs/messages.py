"""What is wrong with a file, as sentences: the field as it is written there, its value, the remedy."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from configs.schema import looks_secret

_DISCRIMINATORS = ("kind", "source")
"""The settings that say which model of a union a mapping is."""

LONGEST_VALUE = 200
"""Characters of a value that are shown."""

_IN_YAML = {
    "dict_type": "it should be a mapping",
    "model_type": "it should be a mapping",
    "model_attributes_type": "it should be a mapping",
    "list_type": "it should be a list",
    "tuple_type": "it should be a list",
    "union_tag_not_found": "it should be a mapping",
    "union_tag_invalid": "it should be a mapping",
}
"""Python's words for what YAML calls otherwise, by the type of the error."""


class Complaint(NamedTuple):
    """One thing that is wrong."""

    path: tuple[str | int, ...]
    """The field's keys, the outermost first; of a missing one, too."""
    sentence: str


def complaints(
    error: ValidationError,
    model: type[BaseModel],
    data: object,
    further: Collection[str] = (),
    within: str = "",
) -> list[Complaint]:
    """Everything that is wrong with `data`.

    Args:
        error: What pydantic says of it.
        model: What it was validated as.
        data: What the file says.
        further: Settings that a file may have at its top beside the model's.
        within: The field that holds `data`, where that is only a part of the file.
    """
    found: dict[tuple[str | int, ...], tuple[str, list[str]]] = {}
    for detail in error.errors():
        field = _field(detail, model, data)
        name = ".".join(map(str, [within, *field.path] if within else field.path))
        subject, remedy = _sentence(detail, field, name, further if len(field.path) == 1 else ())
        _, remedies = found.setdefault(field.path, (subject, []))
        if remedy not in remedies:
            remedies.append(remedy)
    return [Complaint(path, f"{subject}{_joined(them)}".strip()) for path, (subject, them) in found.items()]


def nearest(word: str, known: Collection[str]) -> str:
    """The question whether another word was meant, or an empty text."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else ""


class _Field(NamedTuple):
    path: tuple[str | int, ...]
    parent: Any
    """The type of the mapping that holds the field."""
    kind: Any
    """The field's own type; None: not known."""


def _field(detail: ErrorDetails, model: type[BaseModel], data: object) -> _Field:
    """Where an error is in the file. Pydantic also names the member of a union that it tried; a file does not."""
    path: list[str | int] = []
    parent: Any = None
    kind: Any = model
    for step in detail["loc"]:
        members = _members(kind)
        if len(members) > 1:
            kind = _member(members, step, data)
            continue
        if step == "[key]":
            continue
        parent, kind = (members[0] if members else None), _inside(members[0] if members else None, step)
        path.append(step)
        data = _value(data, step)
    return _Field(tuple(path), parent, kind)


def _sentence(detail: ErrorDetails, field: _Field, name: str, further: Collection[str]) -> tuple[str, str]:
    """What is so, and what to do about it."""
    value = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            known = sorted({*_settings(field.parent), *further})
            remedy = nearest(str(field.path[-1]), known) or "remove it."
            subject = f"{name} is {_shown(value, name)} but is not a known setting; "
            return subject, f"{remedy} Known: {', '.join(known)}."
        case "missing":
            return f"{name} is missing; ", "add it."
        case "value_error":
            return f"{name} ", str(detail.get("ctx", {}).get("error", detail["msg"]))
        case "union_tag_not_found" | "union_tag_invalid" if isinstance(value, Mapping):
            return _choice(name, value, _members(field.kind))
        case _:
            expected = _IN_YAML.get(detail["type"], detail["msg"]).replace(" after validation", "")
            remedy = re.sub(r"^\w+ should ", "it should ", expected)
            return f"{name} is {_shown(value, name)}; ", f"{remedy[0].lower()}{remedy[1:]}."


def _choice(name: str, value: Mapping[str, object], members: list[Any]) -> tuple[str, str]:
    """What a mapping may be, where it does not say what it is or names something that does not exist."""
    discriminator, tags = _discriminator(members), list(_tags(members))
    choices = ", ".join(map(repr, tags))
    if (tag := value.get(discriminator)) is None:
        return f"{name} lacks {discriminator}; ", f"choose one of {choices}."
    meant = nearest(str(tag), tags)
    remedy = f"{meant} Choose one of {choices}." if meant else f"choose one of {choices}."
    return f"{name}.{discriminator} is {tag!r}; ", remedy


def _shown(value: object, name: str) -> str:
    """A value as it is read, cut where it is long; a secret that was written into a file is not repeated."""
    if looks_secret(name.rsplit(".", 1)[-1]):
        return "hidden"
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _joined(remedies: list[str]) -> str:
    """What the members of a union say of one value, as one remedy: it should be a list or a mapping."""
    first, *others = remedies
    for other in others:
        first = f"{first.removesuffix('.')} or {other.removeprefix('it should be ')}"
    return first


def _plain(kind: Any) -> Any:  # noqa: ANN401 - a type expression
    return _plain(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _members(kind: Any) -> list[Any]:  # noqa: ANN401 - a type expression
    """The members of a union but for None, in order; of another type, itself; of an unknown one, nothing."""
    kind = _plain(kind)
    if kind is None:
        return []
    if get_origin(kind) not in {Union, UnionType}:
        return [kind]
    return [part for part in get_args(kind) if part is not NoneType]


def _inside(kind: Any, step: str | int) -> Any:  # noqa: ANN401 - a type expression
    """The type of what is under a key or at a position; None: not known."""
    kind = _plain(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(step))
        return field.annotation if field else None
    parts = get_args(kind)
    if get_origin(kind) is dict:
        return parts[1]
    if get_origin(kind) in {list, tuple} and isinstance(step, int):
        return parts[min(step, len(parts) - 1)] if parts[-1] is not Ellipsis else parts[0]
    return None


def _member(members: list[Any], label: str | int, data: object) -> Any:  # noqa: ANN401 - a type expression
    """The member that pydantic calls so: by its tag, by what the file names, by its type's name."""
    name = _discriminator(members)
    for named in (label, _value(data, name)):
        for member in members:
            labels = [part.tag for part in get_args(member)[1:] if isinstance(part, Tag)]
            if named is not None and (named in labels or named in _literals(member, name)):
                return member
    for member in members:
        if str(label).split("[", 1)[0] == getattr(
            get_origin(_plain(member)) or _plain(member), "__name__", ""
        ):
            return member
    models = [member for member in members if _settings(member) and not _literals(member, name)]
    return models[0] if len(models) == 1 else None


def _discriminator(members: list[Any]) -> str:
    """The setting that tells the members apart."""
    return next((name for name in _DISCRIMINATORS if any(name in _settings(m) for m in members)), "kind")


def _literals(member: Any, name: str) -> tuple[object, ...]:  # noqa: ANN401 - a type expression
    model = _plain(member)
    if name not in _settings(model):
        return ()
    annotation = model.model_fields[name].annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _tags(members: list[Any]) -> Iterator[str]:
    """What the discriminator may be; a member that takes any name is one outside the project."""
    name = _discriminator(members)
    for member in members:
        yield from map(str, _literals(member, name) or ("module:NAME",))


def _settings(kind: Any) -> list[str]:  # noqa: ANN401 - a type expression
    kind = _plain(kind)
    return sorted(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _value(data: object, step: str | int) -> object:
    if isinstance(data, Mapping):
        return data.get(step)
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return None
