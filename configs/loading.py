"""From an experiment file to an `Experiment`: presets, overrides, and errors a person can act upon.

Every error names the file, the field, its value and the remedy. Relative paths inside a file are
relative to that file's folder, so an experiment runs the same from anywhere.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from configs.engines import CUSTOM, EngineSettings, is_custom
from configs.experiment import Benchmark, Experiment
from configs.graders import Grader
from configs.schema import ConfigModel, UserError

F = TypeVar("F", bound=ConfigModel)


def presets() -> dict[str, str]:
    """Names of the shipped experiments with their descriptions."""
    return {name: yaml.safe_load(shipped_file(name).read_text()).get("description", "") for name in _names()}


def shipped_file(name: str) -> Path:
    """The preset of that name."""
    return _presets() / f"{name}.yaml"


def load_experiment(config: str, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a preset's name or a file's path, with `key=value` overrides applied.

    An override's key is dotted (`explorer.sampling.n=8`) and its value is YAML. Raises UserError.
    """
    file = _find(config)
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not valid YAML: {error}") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    if not isinstance(data, dict):
        raise UserError(f"{file} holds {type(data).__name__}, not a mapping; see `a2r presets` for examples.")
    for override in overrides:
        _override(data, override)
    _anchor(data, Path.cwd() if file.parent == _presets() else file.parent.resolve())
    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        sentences = [_sentence(detail, data, Experiment) for detail in error.errors()]
        raise UserError("\n".join(f"{_shown(file)}: {sentence}" for sentence in sentences)) from error


def load_form(kind: str, config: str, form: type[F], example: str) -> tuple[Path, F]:
    """A file of another kind than an experiment, by its path or its shipped name, and what it says. Raises UserError.

    Args:
        kind: Such as sweep; shipped ones lie in the folder of its plural.
        config: A path, which ends in .yaml or holds a slash, or a shipped name.
        form: What the file is a form of.
        example: The shipped name to look at.
    """
    file, shipped = Path(config), _folder() / f"{kind}s"
    if file.suffix not in {".yaml", ".yml"} and "/" not in config:
        file = shipped / f"{config}.yaml"
        if not file.is_file():
            names = ", ".join(sorted(file.stem for file in shipped.glob("*.yaml")))
            raise UserError(
                f"{config} is no shipped {kind}; there are: {names}. A file's path must end in .yaml."
            )
    try:
        return file, form.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not valid YAML: {error}") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors()
        )
        raise UserError(f"{file}: {places}. See configs/{kind}s/{example}.yaml for an example.") from error


def validated(form: type[F], data: Mapping[str, Any], place: str) -> F:
    """A part of an experiment whose form only its user knows. Raises UserError with a sentence for each wrong setting.

    Args:
        form: What it must be like.
        data: Its settings.
        place: Where it is in the experiment, such as engine.
    """
    try:
        return form.model_validate(data)
    except ValidationError as error:
        sentences = [_sentence(detail, data, form, place) for detail in error.errors()]
        raise UserError("\n".join(sentences)) from error


def _names() -> list[str]:
    """Names of the shipped experiments."""
    return sorted(file.stem for file in _presets().glob("*.yaml"))


def _folder() -> Path:
    return Path(str(resources.files("configs")))


def _presets() -> Path:
    return _folder() / "presets"


def _find(config: str) -> Path:
    path = Path(config)
    if path.suffix in {".yaml", ".yml"} or "/" in config:
        if path.is_file():
            return path
        raise UserError(f"{config} does not exist; give the path of an experiment file or a preset's name.")
    names = _names()
    if config in names:
        return shipped_file(config)
    close = difflib.get_close_matches(config, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UserError(
        f"{config} is not a preset; {hint}Presets: {', '.join(names)}. A file's path must end in .yaml."
    )


def _shown(file: Path) -> str:
    return f"configs/presets/{file.name}" if file.parent == _presets() else str(file)


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set {override} is not key=value; for example --set explorer.sampling.n=8")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value is not valid YAML: {error}") from error
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise UserError(f"--set {override}: {parent} is {place!r}, which has no setting {last}.")
    place[last] = value


def _anchor(data: dict[str, Any], base: Path) -> None:
    """Make the relative paths of an experiment absolute, in place."""

    def anchored(place: object, key: str) -> None:
        if isinstance(place, dict) and isinstance(place.get(key), str):
            place[key] = str(base / Path(place[key]).expanduser())

    benchmark = data.get("benchmark")
    if isinstance(benchmark, dict) and benchmark.get("source") == "file":
        anchored(benchmark, "path")
    grader = data.get("grader")
    if isinstance(grader, dict) and grader.get("kind") == "function":
        grader.setdefault("path", ".")
        anchored(grader, "path")
    for name in ("explorer", "synthesizer", "grader"):
        role = data.get(name)
        if not isinstance(role, dict):
            continue
        engine: dict[str, Any] = given if isinstance(given := role.get("engine"), dict) else {}
        if is_custom(engine.get("kind")):
            engine.setdefault("import_from", ".")
            anchored(engine, "import_from")
        anchored(engine, "path")
        anchored(role.get("references"), "tokenizer")
        serve = engine.get("serve")
        if isinstance(serve, dict) and str(serve.get("model", "")).startswith((".", "~")):
            anchored(serve, "model")
        if str(role.get("prompt", "")).endswith(".jinja"):
            anchored(role, "prompt")


def _sentence(error: ErrorDetails, data: object, whole: type[ConfigModel], prefix: str = "") -> str:
    """One pydantic error as a sentence: field, value, remedy."""
    place, form, path = data, whole, [prefix] if prefix else []
    for step in error["loc"]:
        if isinstance(place, Mapping) and step not in place and step in _tags(place):
            form = _form_of(form, step)
            continue
        path.append(str(step))
        form = _field_form(form, step)
        place = place.get(step) if isinstance(place, Mapping) else None
    field = ".".join(path)
    value = error["input"]
    match error["type"]:
        case "extra_forbidden":
            known = _settings(_parent_form(error["loc"], data, whole))
            close = difflib.get_close_matches(path[-1], known, n=1)
            remedy = f"did you mean {close[0]}?" if close else "remove it."
            return f"{field} is {value!r} but is no known setting; {remedy} Known: {', '.join(known)}."
        case "missing":
            return f"{field} is missing; add it."
        case "value_error":
            return f"{field} {error.get('ctx', {}).get('error', error['msg'])}".strip()
        case "union_tag_not_found":
            return f"{field} lacks {_tag_name(path[-1])!r}; choose one of {_choices(error)}."
        case "union_tag_invalid":
            tag = error.get("ctx", {}).get("tag")
            return f"{field}.{_tag_name(path[-1])} is {tag!r}; choose one of {_choices(error)}."
        case _:
            message = re.sub(r"^(Input|String) ", "", error["msg"], flags=re.IGNORECASE)
            return f"{field} is {value!r}; it {message}."


def _choices(error: ErrorDetails) -> str:
    expected = error.get("ctx", {}).get("expected_tags")
    if expected:
        return str(expected)
    field = str(error["loc"][-1])
    union = {"benchmark": Benchmark, "grader": Grader}.get(field, EngineSettings)
    forms = get_args(get_args(union)[0])
    return ", ".join(repr(tag) for form in forms for tag in _tags_of(form, _tag_name(field)))


def _tag_name(field: str) -> str:
    """The setting by which a union's forms are told apart."""
    return "source" if field == "benchmark" else "kind"


def _tags(place: Mapping[str, Any]) -> set[object]:
    tags = {tag for tag in (place.get("source"), place.get("kind")) if tag is not None}
    return tags | {CUSTOM} if any(map(is_custom, tags)) else tags


def _tags_of(form: Any, name: str) -> tuple[object, ...]:  # noqa: ANN401 - a type expression
    """The values of a form's tag; for an engine of one's own what stands for them."""
    return get_args(form.model_fields[name].annotation) or (CUSTOM,)


def _parent_form(loc: Iterable[int | str], data: object, whole: type[ConfigModel]) -> type[BaseModel] | None:
    form: Any = whole
    place: Any = data
    for step in list(loc)[:-1]:
        if isinstance(place, Mapping) and step not in place and step in _tags(place):
            form = _form_of(form, step)
        else:
            form = _field_form(form, step)
            place = place.get(step) if isinstance(place, Mapping) else None
    return form if isinstance(form, type) and issubclass(form, BaseModel) else None


def _field_form(form: object, step: int | str) -> Any:  # noqa: ANN401 - a type expression
    if isinstance(form, type) and issubclass(form, BaseModel) and step in form.model_fields:
        annotation = form.model_fields[str(step)].annotation
        plain = [part for part in get_args(annotation) if part is not type(None)]
        return plain[0] if len(plain) == 1 else annotation
    return None


def _form_of(union: object, tag: int | str) -> Any:  # noqa: ANN401 - a type expression
    for form in get_args(union):
        for name in ("source", "kind"):
            if name in form.model_fields and tag in _tags_of(form, name):
                return (
                    get_args(form)[0] if get_origin(form) else form
                )  # Annotated, where the tag is worked out
    return None


def _settings(form: type[BaseModel] | None) -> list[str]:
    return sorted(form.model_fields) if form else []
