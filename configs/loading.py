"""From a YAML file to its typed form, for every kind of file: shipped names, `base:`, overrides, errors to act upon.

Every error names the file, the field, its value and the remedy. Relative paths inside a file are
relative to that file's folder, so an experiment runs the same from anywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import NoneType
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from configs.experiment import Experiment
from configs.layers import Leaf, Origin, Tree, anchor, merged, origin_at, override, plain, text_at, tree_of
from configs.messages import complaints, nearest
from configs.parsing import YAMLError, read_yaml
from configs.schema import ConfigModel, UserError
from configs.suites import name_members

M = TypeVar("M", bound=ConfigModel)


@dataclass(frozen=True, slots=True)
class FileKind(Generic[M]):
    """One kind of file: an experiment, a sweep, a night, a training."""

    model: type[M]
    described: str
    """Such as "a sweep file"."""
    shipped: str
    """What one that ships with the project is called, such as "a shipped sweep"."""
    folder: str
    """Where these are, under configs/; a file there is known by its name."""
    anchor: Callable[[dict[Any, Any]], None] = lambda _: None
    """Makes the relative paths of a file absolute, in place."""
    has_base: bool = False
    """Whether such a file may name a `base` to build on."""

    def names(self) -> list[str]:
        """Those that ship with the project."""
        return sorted(file.stem for file in self._folder().glob("*.yaml"))

    def find(self, config: str, folder: Path) -> Path:
        """The file of a shipped name, or of a path that is relative to `folder`. Raises UserError."""
        if is_path(config):
            file = folder / Path(config).expanduser()
            if file.is_file():
                return file
            fault = "is a folder" if file.is_dir() else "does not exist"
            raise UserError(
                f"{config} {fault}; give the path of {self.described} or the name of {self.shipped}."
            )
        names = self.names()
        if config in names:
            return self._folder() / f"{config}.yaml"
        hint = f"{meant} There" if (meant := nearest(config, names)) else "there"
        raise UserError(
            f"{config} is not {self.shipped}; {hint} are: {', '.join(names)}. A file's path must end in .yaml."
        )

    def origin(self, file: Path) -> Origin:
        """What errors call a file, and where its relative paths start."""
        if file.parent == self._folder():
            return Origin(f"configs/{self.folder}/{file.name}", Path.cwd())
        return Origin(str(file), file.parent.resolve())

    def _folder(self) -> Path:
        return Path(str(resources.files("configs"))) / self.folder


def is_path(config: str) -> bool:
    """Whether a file is named by its path: it ends in .yaml or .yml, or has a slash."""
    return config.endswith((".yaml", ".yml")) or "/" in config


def load(kind: FileKind[M], config: str, overrides: Sequence[str] = ()) -> M:
    """What the file of a shipped name or a path says, with `key=value` overrides applied last.

    An override's key is dotted (`explorer.sampling.n=8`) and its value is YAML. Raises UserError.
    """
    file = kind.find(config, Path())
    origin = kind.origin(file)
    tree = _layered(kind, file, ())
    for text in overrides:
        if kind.has_base and text.startswith("base="):
            raise UserError(f"--set {text}: a base is not a setting; name it in a file of your own.")
        override(tree, text, origin)
    kind.anchor(tree)
    data = plain(tree)
    try:
        return kind.model.model_validate(data)
    except ValidationError as error:
        found = complaints(error, kind.model, data, ["base"] if kind.has_base else [])
        lines = [f"{origin_at(tree, path, origin).shown}: {sentence}" for path, sentence in found]
        raise UserError("\n".join(lines)) from error


def validated(model: type[M], data: Mapping[str, object], within: str) -> M:
    """A part of an experiment whose model only its user knows. Raises UserError with a sentence for each wrong setting.

    Args:
        model: What the part must be like.
        data: Its settings.
        within: The field that holds it, such as engine.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = complaints(error, model, data, within=within)
        raise UserError("\n".join(complaint.sentence for complaint in found)) from error


def _layered(kind: FileKind[Any], file: Path, above: tuple[Path, ...]) -> dict[Any, Any]:
    """A file on top of what it builds on; `above` are the files that build on it."""
    origin, content = kind.origin(file), content_of(kind, file)
    base = content.pop("base", None) if kind.has_base else None
    own = {key: tree_of(value, origin) for key, value in content.items()}
    if base is None:
        return own
    if not isinstance(base, str):
        raise UserError(
            f"{origin.shown}: base is {base!r}; give the name of {kind.shipped} or the path of {kind.described}."
        )
    chain = (*above, file.resolve())
    try:
        below = kind.find(base, origin.folder)
    except UserError as error:
        raise UserError(f"{origin.shown}: base: {error}") from error
    if below.resolve() in chain:
        circle = " → ".join(path.name for path in (*chain[chain.index(below.resolve()) :], below))
        raise UserError(
            f"{origin.shown}: base is {base}, which builds on itself ({circle}); remove one base."
        )
    inherited = _layered(kind, below, chain)
    for own_alone in ("name", "description"):
        inherited.pop(own_alone, None)
    return merged(inherited, own)


_KINDS = {NoneType: "nothing", str: "a text", list: "a list", int: "a number", float: "a number"}


def content_of(kind: FileKind[Any], file: Path) -> dict[Any, Any]:
    """What a file says at its top, nothing checked. Raises UserError for one that is not a YAML mapping."""
    shown = kind.origin(file).shown
    try:
        content = read_yaml(file.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        where = str(error).replace('in "<unicode string>", ', "at ")  # which file it is stands before it
        raise UserError(f"{shown} is not valid YAML: {where}") from error
    except OSError as error:
        raise UserError(f"{shown} cannot be read: {error.strerror}.") from error
    if not isinstance(content, dict):
        example = f"configs/{kind.folder}/{kind.names()[0]}.yaml"
        raise UserError(
            f"{shown} holds {_KINDS.get(type(content), 'a value')}, not a mapping; see {example} for an example."
        )
    return content


# --- experiments ------------------------------------------------------------------------------


SHORT_FORMS = {"explorer": "explorers", "synthesizer": "rounds"}
"""The field of a single role, and that of several."""


def _anchor_experiment(tree: dict[Any, Any]) -> None:
    """A prompt, a model to serve and a tokenizer may also be names; a benchmark's path may be a hub id."""
    benchmark, grader = tree.get("benchmark"), tree.get("grader")
    name_members(benchmark, _benchmark_of)
    members = benchmark.get("of") if isinstance(benchmark, dict) else None
    for each in (benchmark, *(members.values() if isinstance(members, dict) else ())):
        if text_at(each, "source") == "file":
            anchor(each, "path")
    if text_at(grader, "kind") == "function":
        _import_from(grader, "function", "path")
    for one, several in SHORT_FORMS.items():
        _spread(tree, one, several)
        _anchor_role(tree.get(one))
        roles = tree.get(several)
        for role in roles if isinstance(roles, list) else ():
            _anchor_role(role)
    _anchor_role(grader)


def _benchmark_of(named: Leaf) -> Tree | None:
    """The benchmark of an experiment that a suite names. Raises UserError."""
    try:
        file = EXPERIMENTS.find(named.value, named.origin.folder)
        return _layered(EXPERIMENTS, file, ()).get("benchmark")
    except UserError as error:
        raise UserError(f"{named.origin.shown}: benchmark.of: {error}") from error


def _spread(tree: dict[Any, Any], one: str, several: str) -> None:
    """Beside a list of roles, the short form is what all of them have in common: each entry builds on it."""
    common, roles = tree.get(one), tree.get(several)
    if isinstance(common, dict) and isinstance(roles, list) and roles:
        tree[several] = [merged(common, role) if isinstance(role, dict) else role for role in roles]
        del tree[one]


def _import_from(mapping: Tree | None, named: str, folder: str) -> None:
    """Where code of the user's own, `module:NAME`, is imported from: absent, the folder of the file that names it."""
    if isinstance(mapping, dict) and text_at(mapping, named):
        if folder not in mapping:
            mapping[folder] = mapping[named]._replace(value=".")
        anchor(mapping, folder)


def _anchor_role(role: Tree | None) -> None:
    if not isinstance(role, dict):
        return
    engine = role.get("engine")
    anchor(engine, "path")
    if ":" in text_at(engine, "kind"):
        _import_from(engine, "kind", "import_from")
    anchor(role.get("references"), "tokenizer")
    serve = engine.get("serve") if isinstance(engine, dict) else None
    if text_at(serve, "model").startswith((".", "~")):
        anchor(serve, "model")
    if text_at(role, "prompt").endswith(".jinja"):
        anchor(role, "prompt")


EXPERIMENTS = FileKind(
    Experiment, "an experiment file", "a preset", "presets", anchor=_anchor_experiment, has_base=True
)


def presets() -> dict[str, str]:
    """Names of the shipped experiments with their descriptions."""
    return {
        name: content_of(EXPERIMENTS, EXPERIMENTS.find(name, Path())).get("description", "")
        for name in EXPERIMENTS.names()
    }


def load_experiment(config: str, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a preset's name or a file's path, with `key=value` overrides applied last.

    A file may build on a preset or another file: `base: a2r`. Raises UserError.
    """
    return load(EXPERIMENTS, config, overrides)
