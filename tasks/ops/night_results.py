"""What came of a night's experiments, gathered from their summaries and the catalog: causes, cost, changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from tasks.analysis.compare import Change, watch
from warehouse.catalog import connect, rows
from warehouse.failures import is_permanent
from warehouse.manifest import read_manifest
from warehouse.relations import statement
from warehouse.store import Store
from warehouse.summary import Metric, Summary


class Cause(NamedTuple):
    """One reason why something is missing, whatever shard or stage it came from."""

    text: str
    num_traces: int | None
    """Traces that it cost; None where that is not known."""
    is_permanent: bool
    """Whether the same prompts are refused again unless something is changed."""


class Spent(NamedTuple):
    """What the traces cost that a night made for one stage, also before a Retry, and those that no run wants any more."""

    stage: str
    model: str
    num_traces: int
    num_tokens: int
    dollars: float | None
    """None where one trace has none: the model has no price, or its tokens were not counted."""
    is_uncounted: bool = False
    """Whether the model has a price, and the engine did not count the tokens of every answer."""


@dataclass(frozen=True, slots=True)
class NightAttempt:
    """What became of one experiment of the night, as soon as it has ended."""

    name: str
    summary: Summary | None
    """None where it came to no numbers."""
    complaint: str
    """Why it is incomplete; empty where it is whole."""
    seconds: float
    num_nights: int
    """How many earlier nights it is compared with."""
    again_seconds: float | None = None
    """When to look again where all that is missing is under way elsewhere; else None."""


@dataclass(frozen=True, slots=True)
class NightResult:
    """An outcome with all that the night's page says of it."""

    outcome: NightAttempt
    causes: tuple[Cause, ...] = ()
    spent: tuple[Spent, ...] = ()
    since_last: tuple[Change, ...] = ()
    since_nights: tuple[Change, ...] = ()
    is_first: bool = False
    """Whether there is no earlier run of this experiment on this benchmark."""

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.outcome.name

    @property
    def is_complete(self) -> bool:
        """Whether it is whole."""
        return not self.outcome.complaint

    @property
    def num_tokens(self) -> int:
        """Tokens of what the night made."""
        return sum(spent.num_tokens for spent in self.spent)

    @property
    def dollars(self) -> float | None:
        """Price of what the night made; None where a part of it has none."""
        amounts = [spent.dollars for spent in self.spent]
        return None if None in amounts else sum(filter(None, amounts))

    @property
    def num_made(self) -> int:
        """Traces that the night made, a judge's replies too."""
        return sum(spent.num_traces for spent in self.spent)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Models that made something and have no price."""
        return self._without_dollars(is_uncounted=False)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Models with a price, of which an answer's tokens are not known."""
        return self._without_dollars(is_uncounted=True)

    def _without_dollars(self, *, is_uncounted: bool) -> tuple[str, ...]:
        found = (s.model for s in self.spent if s.dollars is None and s.is_uncounted == is_uncounted)
        return tuple(dict.fromkeys(found))

    @property
    def num_missing(self) -> int:
        """Traces that are wanted and not there."""
        stages = self.outcome.summary["stages"].values() if self.outcome.summary else ()
        return sum(counts["wanted"] - counts["generated"] - counts["reused"] for counts in stages)

    @property
    def is_read_around(self) -> bool:
        """Whether a refused trace is one that a later stage reads: the answers that did without it are made anew."""
        stages = list(self.outcome.summary["stages"].values() if self.outcome.summary else ())
        is_lacking = any(c["wanted"] > c["generated"] + c["reused"] for c in stages[:-1])
        return is_lacking and any(cause.is_permanent for cause in self.causes)

    @property
    def num_undecided(self) -> int:
        """Verdicts that an incomplete experiment lacks on answers that are there."""
        return 0 if self.is_complete else self._verdicts("undecided") + self._verdicts("ungraded")

    @property
    def is_for_the_grader(self) -> bool:
        """Whether a Retry alone would change nothing: every answer is there, and the grader had its say on each."""
        is_graded = not self.num_missing and not self._verdicts("ungraded")
        return not self.is_complete and is_graded and self._verdicts("undecided") > 0

    def _verdicts(self, what: Literal["undecided", "ungraded"]) -> int:
        stages = self.outcome.summary["verdicts"].values() if self.outcome.summary else ()
        return sum(counts[what] for counts in stages)

    @property
    def headline(self) -> tuple[str, Metric] | None:
        """The synthesizer's accuracy, without one the explorer's vote, else one sample's."""
        metrics = self.outcome.summary["metrics"] if self.outcome.summary else {}
        votes = [name for name in metrics if name.startswith(("cons@", "stopped-cons@"))]
        for name in ("a2r", *votes, "mean@1"):
            if name in metrics:
                return name, metrics[name]
        return None

    @property
    def fallen(self) -> tuple[Change, ...]:
        """Metrics that fell since the earlier nights."""
        return tuple(change for change in self.since_nights if change.verdict == "fell")

    @property
    def risen(self) -> tuple[Change, ...]:
        """Metrics that rose since the earlier nights."""
        return tuple(change for change in self.since_nights if change.verdict == "rose")


def result_of(store: Store, outcome: NightAttempt, since: datetime) -> NightResult:
    """The outcome with its causes, with the cost of what was made since then, and with what has changed."""
    if outcome.summary is None:
        return NightResult(outcome, causes=(Cause(outcome.complaint, None, is_permanent=False),))
    run_id = outcome.summary["run_id"]
    with connect(store) as catalog:
        causes = rows(catalog, statement("asking/causes"), {"run_id": run_id})
        spent = rows(catalog, statement("asking/spent"), {"run_id": run_id, "since": since})
        earlier = rows(catalog, statement("asking/nights_before"), {"run_id": run_id, "num_nights": 1})
    return NightResult(
        outcome,
        causes=_causes(store, outcome, [row for row in causes if outcome.complaint]),
        spent=tuple(Spent(**row) for row in spent),
        since_last=tuple(watch(store, run_id, 1)),
        since_nights=tuple(watch(store, run_id, outcome.num_nights)),
        is_first=not earlier,
    )


def _causes(store: Store, outcome: NightAttempt, failed: Sequence[dict]) -> tuple[Cause, ...]:
    """The stored failures by reason; also what the run complained of, where these do not explain all that is missing."""
    if outcome.summary is None or not outcome.complaint:
        return ()
    found = merged(
        Cause(f"{row['code']}: {row['message']}", row["num_traces"], is_permanent(row["code"]))
        for row in failed
    )
    num_errors = sum(counts["errors"] for counts in outcome.summary["stages"].values())
    if found and num_errors <= sum(cause.num_traces or 0 for cause in found):
        return found
    complaints = read_manifest(store, outcome.summary["run_id"]).complaints
    return (*(Cause(text, None, is_permanent=False) for text in complaints), *found) or (
        Cause(outcome.complaint.splitlines()[0], None, is_permanent=False),
    )


def merged(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Equal reasons as one, with their traces added up, the costliest first."""
    found: dict[str, Cause] = {}
    for cause in causes:
        before = found.get(cause.text)
        amounts = [n for n in (cause.num_traces, before.num_traces if before else None) if n is not None]
        found[cause.text] = cause._replace(num_traces=sum(amounts) if amounts else None)
    return tuple(sorted(found.values(), key=lambda cause: -(cause.num_traces or 0)))
