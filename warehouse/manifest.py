"""What a run leaves on record: `runs/<run_id>.json`, typed, versioned, read here and nowhere else.

In memory a run is a mapping of stages, each with its role and its counts, however many there are. On disk
the roles of an experiment with one explorer and one synthesizer keep their own keys (`explorer`,
`synthesizer`); roles of stages with other names stand under `roles`. `Manifest.read` and
`Manifest.content` are the only places that know this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime

import orjson
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from configs.roles import ROLES, role_of
from configs.schema import UserError
from warehouse.servers import ServerStats
from warehouse.store import Store
from warehouse.summary import StageCounts, Status, SuiteMember

VERSION = 2
"""Written into new manifests. Those of version 1 say no version and have the same content."""


class _Record(BaseModel):
    """Frozen; fields that an older version wrote and this one does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RoleRecord(_Record):
    """The model at work in a stage, or the judge, and its settings."""

    model: str
    revision: str | None
    params: float | None
    price_input: float | None
    """Dollars per million prompt tokens."""
    price_output: float | None
    """Dollars per million completion tokens."""
    price_cached_input: float | None = None
    """Dollars per million prompt tokens from the provider's cache; None: as all prompt tokens."""
    price_reasoning: float | None = None
    """Dollars per million reasoning tokens; None: as all completion tokens."""
    price_batch: float | None = None
    """Share of these prices that a batch interface takes; None: all."""
    recipe: str
    """The recipe's key, which names the folder of its traces."""
    engine: str
    prompt: str
    """Name of the template, without its folder."""
    n: int
    """Samples per problem."""
    temperature: float
    max_tokens: int
    num_references: int | None = None
    """References shown at most; None for a role that reads no other stage."""
    stored_as: str
    """The stage in the folder of its traces; runs may call it otherwise."""
    settings: str
    """Where its settings are in `config`, such as rounds.0."""
    round: int
    """0 of a stage that reads no other, else one more than the highest that it reads."""
    reads: tuple[str, ...]
    """The stages it reads."""
    num_fixed: int | None = None
    """Samples that every problem got whatever they said, where sampling ended as they agreed; None: all."""
    left_to_vote: tuple[str, ...] = ()
    """Ids of the problems that it did not read because the samples before it agreed; their vote is the answer."""


class StageRecord(_Record):
    """One stage of a run."""

    role: RoleRecord
    counts: StageCounts


class Manifest(_Record):
    """One run: what was asked for, by which models, and what came of it."""

    run_id: str
    experiment: str
    description: str = ""
    status: Status
    started_at: datetime
    finished_at: datetime
    benchmark: str
    num_problems: int
    suite: dict[str, SuiteMember] = {}
    """The benchmarks of a suite, by the name that their problems' ids begin with; empty for a single benchmark."""
    grader: str
    stages: dict[str, StageRecord]
    """In the order in which they ran; the last one's answers are the run's."""
    judge: RoleRecord | None = None
    complaints: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What a reader of its numbers has to know, in sentences; they do not make it incomplete."""
    servers: tuple[ServerStats, ...] = ()
    config: dict[str, JsonValue]
    """The experiment as it was run."""
    versions: dict[str, str]

    @property
    def roles(self) -> dict[str, RoleRecord]:
        """Role by name: `explorer`, `synthesizer`, and of other stages the stage's name."""
        return {role_of(name): stage.role for name, stage in self.stages.items()}

    @property
    def recipes(self) -> dict[str, str]:
        """Recipe key by stage; the judge's traces are the stage `judge`."""
        judged = {"judge": self.judge.recipe} if self.judge else {}
        return {name: stage.role.recipe for name, stage in self.stages.items()} | judged

    def prompt(self, stage: str) -> str:
        """A stage's prompt as the experiment names it: a shipped one, or a path."""
        role = self.stages[stage].role
        settings = settings_at(self.config, role.settings)
        named = settings.get("prompt") if isinstance(settings, dict) else None
        return named if isinstance(named, str) else role.prompt

    def content(self) -> dict[str, object]:
        """The JSON object that is stored."""
        usual = _usual({name: stage.role.num_references for name, stage in self.stages.items()})
        roles = {role_of(name): _role(stage.role, usual[name]) for name, stage in self.stages.items()}
        own = {key: roles.pop(key, None) for key in ROLES.values()}
        absent = dict.fromkeys(name for name in ROLES if name not in self.stages)
        counts = {name: stage.counts for name, stage in self.stages.items()}
        return {
            "manifest_version": VERSION,
            **self.model_dump(exclude={"stages", "judge", "suite", "warnings", "servers"}),
            "servers": [_server(server) for server in self.servers],
            **({"suite": self.suite} if self.suite else {}),
            **({"warnings": self.warnings} if self.warnings else {}),
            **own,
            **({"roles": roles} if roles else {}),
            "judge": _role(self.judge, _usual({"judge": None})["judge"]) if self.judge else None,
            "stages": counts | absent,
        }

    @classmethod
    def read(cls, text: bytes) -> "Manifest":
        """The manifest in a file's bytes. Raises ValueError, whose text says what is wrong with them."""
        held = orjson.loads(text)
        if not isinstance(held, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - the content is wrong, not a caller's type
        version = held.get("manifest_version", 1)
        if not isinstance(version, int) or version > VERSION:
            raise NewerManifestError(
                f"it has manifest version {version}, and this a2r knows versions up to {VERSION}; update a2r"
            )
        roles = {name: held.get(key) for name, key in ROLES.items()} | (held.get("roles") or {})
        stages = {
            name: {"role": roles.get(name), "counts": counts}
            for name, counts in (held.get("stages") or {}).items()
            if counts
        }
        named = {name: role["role"] for name, role in stages.items()} | {"judge": held.get("judge")}
        named = {name: role for name, role in named.items() if isinstance(role, dict)}
        for name, usual in _usual({name: role.get("num_references") for name, role in named.items()}).items():
            named[name].update(usual | named[name])
        try:
            return cls.model_validate(held | {"stages": stages})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise ValueError(f"{field}: {first['msg'].lower()}") from error


class NewerManifestError(ValueError):
    """A manifest that a later version of a2r wrote."""


def write_manifest(store: Store, manifest: Manifest) -> None:
    """Put a run on record; its members have to be there before."""
    text = orjson.dumps(manifest.content(), option=orjson.OPT_INDENT_2)
    store.write_bytes(manifest_path(manifest.run_id), text)


def read_manifest(store: Store, run_id: str) -> Manifest:
    """The manifest of one run. Raises UserError for one that is missing, damaged or of a later version."""
    path = manifest_path(run_id)
    try:
        return _read(store, path)
    except FileNotFoundError as error:
        raise UserError(
            f"{store.root}/{path} is missing; `a2r load --root {store.root}` forgets the run."
        ) from error


def manifests(store: Store) -> Iterator[Manifest]:
    """Every run on record, by run id. Raises UserError for a damaged one."""
    for path in store.names("runs", suffix=".json"):
        yield _read(store, path)


def manifest_path(run_id: str) -> str:
    """Where a run's manifest is, relative to the root."""
    return f"runs/{run_id}.json"


def members_path(run_id: str) -> str:
    """Where the list of the traces that a run wanted is, relative to the root."""
    return f"runs/{run_id}.parquet"


def _read(store: Store, path: str) -> Manifest:
    try:
        return Manifest.read(store.read_unchanged(path))
    except NewerManifestError as error:
        raise UserError(f"{store.root}/{path} cannot be read: {error}.") from error
    except ValueError as error:
        raise UserError(
            f"{store.root}/{path} is not a run's manifest ({str(error).splitlines()[0]}); "
            f"`a2r verify --root {store.root}` names every damaged file."
        ) from error


def settings_at(config: Mapping[str, JsonValue], path: str) -> JsonValue:
    """What a run's configuration says at a dotted path; None where there is nothing."""
    found: JsonValue = dict(config)
    for step in path.split("."):
        if isinstance(found, dict):
            found = found.get(step)
        else:
            found = found[int(step)] if isinstance(found, list) and int(step) < len(found) else None
    return found


def _server(server: ServerStats) -> Mapping[str, object]:
    """A server without what only some servers show."""
    held = asdict(server)
    return held if server.template_digest else {n: v for n, v in held.items() if n != "template_digest"}


def _usual(num_references: Mapping[str, int | None]) -> dict[str, dict[str, object]]:
    """What a role has where it does not say it: one stage explores, those that show references read it.

    By stage, from how many references each shows at most.
    """
    explorers = [name for name, count in num_references.items() if count is None and name != "judge"]
    return {
        name: {
            "stored_as": name,
            "settings": role_of(name),
            "round": int(count is not None),
            "reads": explorers if count is not None else [],
        }
        for name, count in num_references.items()
    }


def _role(role: RoleRecord, usual: Mapping[str, object]) -> Mapping[str, object]:
    """A role without the settings that only some roles have, and without what goes without saying."""
    rare = (
        "num_references",
        "price_cached_input",
        "price_reasoning",
        "price_batch",
        "num_fixed",
        "left_to_vote",
    )
    said = role.model_dump(mode="json")
    unsaid = {name for name, value in usual.items() if said[name] == value}
    return role.model_dump(exclude=unsaid | {name for name in rare if said[name] in (None, [])})
