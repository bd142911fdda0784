"""Who answers in the stages of an experiment, and the stages that its settings come to.

An explorer answers by itself; a synthesizer reads what other stages answered. `explorer` and `synthesizer` are the short
forms of a list of one: `explorers` are several of the first stage, `rounds` are synthesizers of which each reads the
former. What follows from their order (names, what is read, the number of the round) is decided in `stages_in`, once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field, PositiveInt, model_validator

from configs.engines import EngineSettings
from configs.models import Model
from configs.sampling import Sampling
from configs.schema import ConfigModel

STAGE_NAME = r"^[a-z][a-z0-9_]*$"
RESERVED = frozenset({"judge", "explorers"})
"""What relations call the traces of a model that grades, and all explorers together."""

ROLES: Mapping[str, str] = {"explore": "explorer", "synthesize": "synthesizer"}
"""What a manifest calls the role of a stage; of any other stage it is the stage's own name."""


def role_of(stage: str) -> str:
    """What a stage's role is called in a manifest."""
    return ROLES.get(stage, stage)


CHOICE = frozenset({"groups", "per_group", "seed", "shares"})
"""What only decides which traces are shown. It is in no recipe: the ids of what was shown say it, trace by trace."""


class References(ConfigModel):
    """What a synthesizer is shown of the traces that it reads. All of it is part of a trace's identity."""

    count: int = Field(default=4, ge=1)
    """Number of references: the first `count` usable traces by sample index, of several stages in turn."""
    groups: Literal["same", "disjoint", "random"] = "same"
    """Which of them each synthesis reads. `same`: all of a problem's read the same; `disjoint`: each the next `count`;
    `random`: each `count` of all, drawn by `seed`."""
    per_group: int = Field(default=1, ge=1)
    """So many syntheses read the same group, one after the other; two or more tell how much the choice of references
    matters (relation reference_groups)."""
    seed: int = Field(default=0, ge=0)
    """Another seed draws other `random` groups."""
    shares: dict[str, PositiveInt] = Field(default_factory=dict)
    """How many of `count` are of which stage, such as {small: 3, big: 1}; default: the stages take turns."""
    content: Literal["answer", "full", "last_paragraph"] = "answer"
    """`answer`: what follows the reasoning; `full`: reasoning and answer; `last_paragraph`: the last one of the answer."""
    order: Literal["shuffled", "sampled", "by_vote"] = "shuffled"
    """`shuffled`: by a seed of the problem's own; `sampled`: by sample index; `by_vote`: the most common answer first."""
    truncated: Literal["drop", "keep"] = "drop"
    """Whether traces that reached max_tokens are left out or shown."""
    duplicates: Literal["keep", "merge"] = "keep"
    """`merge`: equal references are shown once, with their count."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Budget per reference; of a longer one the end is kept, where the answer is."""
    total_max_tokens: int | None = Field(default=None, ge=1)
    """Budget of all references together; `overflow` says what happens beyond it."""
    overflow: Literal["drop_last", "shorten_all"] = "drop_last"
    """`drop_last`: whole references are left out, from the end; `shorten_all`: each is cut to an equal share."""
    tokenizer: str | None = None
    """A tokenizer.json that counts tokens; default: four characters count as one token."""

    def group_of(self, sample_index: int) -> int:
        """Number of the group that a sample reads, from 0."""
        return 0 if self.groups == "same" else sample_index // self.per_group

    def num_groups(self, num_samples: int) -> int:
        """Groups that so many samples read."""
        return 1 + self.group_of(num_samples - 1)

    @model_validator(mode="after")
    def shares_add_up(self) -> "References":
        """The shares of the stages are the references there are."""
        total = sum(self.shares.values())
        if self.shares and total != self.count:
            raise ValueError(f"has shares that add up to {total} but count is {self.count}; make them equal.")
        return self


class Stop(ConfigModel):
    """When a problem has enough samples: once their answers agree, decided on them in index order.

    It changes how many samples are taken, never what one of them is, so it is not part of a trace's identity.
    """

    agreement: float = Field(gt=0, le=1)
    """Smallest share of the samples that give the most common answer; a sample without an answer gives none."""
    after: int = Field(default=4, ge=2)
    """Samples that every problem gets whatever they say. mean@k and pass@k are computed from them alone."""
    step: int = Field(default=1, ge=1)
    """Further samples before agreement is looked at again, up to `sampling.n`."""


class When(ConfigModel):
    """Which problems are read at all, decided on every sample that is wanted of the stages that are read."""

    agreement_below: float = Field(gt=0, le=1)
    """A problem whose samples agree as much or more is left to their vote, which is its answer; 1.0: only the
    unanimous ones. It is not part of a trace's identity."""


class Role(ConfigModel):
    """Who answers in one stage, and how."""

    name: str | None = Field(default=None, pattern=STAGE_NAME)
    """What `stage` says of its traces in every relation, in small letters, digits and underscores. Default: explore, synthesize
    or select, with a number from the second on. It is not part of a trace's identity."""
    model: Model
    """Which weights answer."""
    engine: EngineSettings
    """What turns requests into completions, and from where."""
    prompt: str
    """Name of a shipped prompt or path of a .jinja file."""
    sampling: Sampling = Sampling()
    """How many answers are drawn, and how."""


class Explorer(Role):
    """The role that answers each problem n times, independently."""

    prompt: str = "explore"
    """Name of a shipped prompt or path of a .jinja file, which can use `question`."""
    stop: Stop | None = None
    """End the sampling of a problem once its answers agree. Default: every problem gets `sampling.n` samples."""


class Synthesizer(Role):
    """The role that reads the problem and the references and reasons once more."""

    kind: Literal["synthesize", "select"] = "synthesize"
    """`synthesize`: its reply is the answer; `select`: it names one of the references, whose answer is then its own. A
    reply that names none falls back to their vote."""
    prompt: str = "synthesize"
    """Name of a shipped prompt or path of a .jinja file, which can use `question` and `references`; default: that of its
    kind."""
    references: References = References()
    """Which of the answers it reads it is shown, and how."""
    reads: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names of the earlier stages it reads. Default: the round before it; of the first round, every explorer."""
    repeat: int = Field(default=1, ge=1)
    """So many rounds of this kind, each reading the former."""
    when: When | None = None
    """Read only problems on which the samples that are read disagree. Default: every problem."""

    @model_validator(mode="before")
    @classmethod
    def prompt_is_of_its_kind(cls, data: object) -> object:
        """Without a prompt, a role has the shipped one of its kind."""
        return {"prompt": data["kind"]} | data if isinstance(data, dict) and "kind" in data else data

    @model_validator(mode="after")
    def there_is_a_choice(self) -> "Synthesizer":
        """To select among one would be no selection."""
        if self.kind == "select" and self.references.count == 1:
            raise ValueError(
                "selects among one candidate (references.count is 1); raise references.count to 2 or more."
            )
        return self


class StageSettings(NamedTuple):
    """One stage as an experiment's settings say it."""

    name: str
    """What `stage` says in every relation."""
    kind: str
    """What its traces are stored as, whatever the stage is called: part of their identity."""
    field: str
    """Where its settings are in the experiment, such as rounds.0."""
    role: Explorer | Synthesizer
    reads: tuple[str, ...]
    """Names of earlier stages; none for an explorer."""

    @property
    def references(self) -> References | None:
        """How its references are chosen and shown; None for one that reads nothing."""
        return self.role.references if isinstance(self.role, Synthesizer) else None


def stages_in(
    explorers: Mapping[str, Explorer], rounds: Mapping[str, Synthesizer]
) -> tuple[StageSettings, ...]:
    """The stages in order, of roles by the field that holds each. Raises ValueError with what to change."""
    made: list[StageSettings] = []
    counts, fields = Counter[str](), dict[str, str]()

    def add(field: str, kind: str, role: Explorer | Synthesizer, reads: tuple[str, ...]) -> str:
        base = role.name or kind
        counts[base] += 1
        name = base if counts[base] == 1 else f"{base}_{counts[base]}"
        if name in RESERVED:
            raise ValueError(f"{field}.name is {name}, which is reserved; give it another name.")
        if fields.setdefault(base, field) != field and role.name:
            raise ValueError(f"{field}.name is {base}, as is that of {fields[base]}; give it another name.")
        made.append(StageSettings(name, kind, field, role, reads))
        return name

    for field, role in explorers.items():
        if role.stop and role.stop.after > role.sampling.n:
            raise ValueError(
                f"{field}.stop.after is {role.stop.after} but {field}.sampling.n is {role.sampling.n}; raise "
                f"{field}.sampling.n above it, or lower {field}.stop.after."
            )
    former = tuple(add(field, "explore", role, ()) for field, role in explorers.items())
    for field, role in rounds.items():
        former = role.reads or former
        for _ in range(role.repeat):
            _check(field, role, [stage for stage in made if stage.name in former], former, made)
            former = (add(field, role.kind, role, former),)
    return tuple(made)


def _check(
    field: str,
    role: Synthesizer,
    read: Sequence[StageSettings],
    names: Sequence[str],
    earlier: Sequence[StageSettings],
) -> None:
    """Raise ValueError for a round that reads what is not before it, or more than there is."""
    known = [stage.name for stage in earlier]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{field}.reads names {twice[0]} twice; name each stage once.")
    if unknown := [name for name in names if name not in known]:
        fault = "the round itself" if unknown[0] == (role.name or role.kind) else "not an earlier stage"
        raise ValueError(
            f"{field}.reads names {unknown[0]}, which is {fault}; name one or more of: {', '.join(known)}."
        )
    shares = role.references.shares
    if unread := [name for name in shares if name not in names]:
        raise ValueError(
            f"{field}.references.shares names {unread[0]}, which {field} does not read; it reads: {', '.join(names)}."
        )
    if role.when and sum(stage.role.sampling.n for stage in read) == 1:
        raise ValueError(
            f"{field}.when.agreement_below is {role.when.agreement_below:g} but it reads one sample per problem, which "
            f"agrees with itself; raise {read[0].field}.sampling.n to 2 or more, or remove {field}.when."
        )
    for stage in read if shares else ():
        if stage.name in shares:
            _check_size(f"{field}.references.shares.{stage.name}", shares[stage.name], field, role, [stage])
    if not shares:
        _check_size(f"{field}.references.count", role.references.count, field, role, read)


def _check_size(
    setting: str, count: int, field: str, role: Synthesizer, read: Sequence[StageSettings]
) -> None:
    """Raise ValueError where groups of so many references need more samples than these stages draw."""
    references, n = role.references, role.sampling.n
    num_groups = references.num_groups(n) if references.groups == "disjoint" else 1
    wanted, num_read = count * num_groups, sum(stage.role.sampling.n for stage in read)
    if wanted <= num_read:
        return
    fields = [f"{stage.field}.sampling.n" for stage in read]
    together = "" if len(read) == 1 else " together"
    disjoint = f" in {num_groups} disjoint groups, {wanted} samples," if num_groups > 1 else ""
    other = f", set {field}.references.groups to random" if num_groups > 1 else ""
    raise ValueError(
        f"{setting} is {count}{disjoint} but {' + '.join(fields)} is {num_read}; raise {' or '.join(fields)} to {wanted} "
        f"or more{together}{other}, or lower {setting}."
    )
