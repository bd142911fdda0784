"""One problem as the trace reader shows it: each text once, and which sample of which run refers to which text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import pyarrow as pa

from configs.roles import References
from tasks.analysis.report.sent import JudgeSource, SentPrompt, StageSource
from tasks.prompts.references import Candidate, Reference, shown
from warehouse.catalog import Row, Rows
from warehouse.identity import shown_to_judge
from warehouse.winner import winners

Cut = str | list[str | int] | None
"""A text; a long one as its head, the number of characters left out, and its tail."""
LONGEST_JUDGED = 16_000
"""Characters of a whole answer that a judge is shown, its end."""
_ASCII_SPACE = " \t\n\r\f\v"
_TEXTS = ("reasoning", "answer")
_UNKNOWN = (
    "status",
    "finish_reason",
    "seed",
    "num_prompt_tokens",
    "num_completion_tokens",
    "latency_seconds",
)


class Entry(TypedDict):
    """A problem as the page reads it."""

    question: str | None
    metadata: str | None
    """JSON, as stored."""
    prompts: list[SentPrompt]
    traces: Rows
    """Each with the columns it is stored with, its texts perhaps cut, and `failures`: the tries that came to nothing."""
    runs: dict[str, Rows]


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """What the store has of one trace."""

    row: Row
    """The one that counts."""
    others: Rows
    """Failures before it, and answers that it outranks."""


@dataclass(frozen=True, slots=True)
class RunSource:
    """Where the prompts of a run come from."""

    stages: Mapping[str, StageSource]
    judge: JudgeSource | None = None


@dataclass
class StoredTraces:
    """The stored traces of some problems."""

    by_id: dict[str, StoredTrace] = field(default_factory=dict)
    judged: dict[tuple[str, str], str] = field(default_factory=dict)
    """Ids of a judge's traces, by the problem and what it was shown."""

    def add(self, stage: str, recipe: str, rows: pa.Table) -> None:
        """Take in rows of a recipe, whose folder is of this stage."""
        kept = set(winners(rows))
        others: dict[str, Rows] = {}
        for place, row in enumerate(rows.to_pylist()):
            named = {"trace_id": row["trace_id"], "stage": stage, "recipe": recipe, **row}
            if place not in kept:
                others.setdefault(row["trace_id"], []).append(named)
                continue
            self.by_id[row["trace_id"]] = StoredTrace(named, [])
            if stage == "judge" and row["reference_ids"]:
                self.judged[row["problem_digest"], row["reference_ids"][0]] = row["trace_id"]
        for trace_id, found in others.items():
            self.by_id[trace_id].others.extend(sorted(found, key=lambda row: str(row["started_at"])))


class ProblemTexts:
    """The texts of one problem, shared by all runs that use them."""

    def __init__(self, digest: str, question: str | None, metadata: str | None, longest: int | None) -> None:
        """`longest`: characters of a text beyond which its middle is left out; None: of none."""
        self.digest, self.question, self.metadata, self.longest = digest, question, metadata, longest
        self.num_cut = 0
        self.prompts: list[SentPrompt] = []
        self.traces: Rows = []
        self.runs: dict[str, Rows] = {}
        self._indexes: dict[str, int] = {}
        self._sent: dict[object, int] = {}

    def add_run(self, run_id: str, samples: Rows, stored: StoredTraces, source: RunSource) -> None:
        """Add a run's samples, those first that others were shown."""
        self.runs[run_id] = [self._sample(row, stored, source) for row in samples]

    def content(self) -> Entry:
        """The problem as the page reads it."""
        return Entry(
            question=self.question,
            metadata=self.metadata,
            prompts=self.prompts,
            traces=self.traces,
            runs=self.runs,
        )

    def _sample(self, row: Row, stored: StoredTraces, source: RunSource) -> Row:
        trace = stored.by_id.get(row["trace_id"])
        ids = trace.row["reference_ids"] or () if trace else ()
        stage = source.stages.get(row["stage"])
        references, given = self._shown(ids, stored, stage.policy if stage else None)
        return {
            "stage": row["stage"],
            "round": row["round"],
            "index": row["sample_index"],
            "verdict": row["verdict"],
            "points": row["points"],
            "extracted": row["extracted"],
            "by_hand": row["decided_by"] if row["is_by_hand"] else None,
            "why": row["why_by_hand"],
            "decided_by": row["decided_by"],
            "trace": self._index(row["trace_id"], trace),
            "shown": references,
            "prompt": self._prompt(row["stage"], stage, tuple(ids), given) if stage and trace else None,
            "judged": self._judged(row, trace, stored, source.judge),
        }

    def _index(self, trace_id: str, trace: StoredTrace | None) -> int:
        index = self._indexes.setdefault(trace_id, len(self.traces))
        if index == len(self.traces):
            row = trace.row if trace else {"trace_id": trace_id} | dict.fromkeys(_UNKNOWN)
            texts = {name: self._cut(row.get(name)) for name in _TEXTS}
            failures = [_without_text(other) for other in trace.others] if trace else []
            self.traces.append({**row, **texts, "failures": failures})
        return index

    def _shown(
        self, ids: Sequence[str], stored: StoredTraces, policy: References | None
    ) -> tuple[Rows | None, tuple[Reference, ...] | None]:
        """The prompt's references in order, for the page and as the prompt was given them.

        For the page: the traces each came from, and its text if it differs from their answer. The second is None where it
        is no longer known how they were cut.
        """
        if not ids:
            return None, ()
        found = [stored.by_id[trace_id] for trace_id in ids if trace_id in stored.by_id]
        for trace in found:
            self._index(trace.row["trace_id"], trace)
        chosen = [_candidate(trace.row) for trace in found]
        if policy is None or len(chosen) < len(ids):
            return [
                {"of": [self._indexes[c.trace_id]], "text": None, "is_exact": False} for c in chosen
            ], None
        return [
            {
                "of": [self._indexes[candidate.trace_id] for candidate in group],
                "text": None if text == group[0].answer.strip(_ASCII_SPACE) else self._cut(text),
                "is_exact": True,
            }
            for group, text in shown_with_sources(chosen, policy)
        ], shown(chosen, policy)

    def _prompt(
        self,
        name: str,
        stage: StageSource,
        ids: tuple[str, ...],
        references: tuple[Reference, ...] | None,
        **values: str | int,
    ) -> int:
        """The index of a prompt, which samples with the same references share."""
        key = (name, stage.recipe.digest if stage.recipe else None, ids, tuple(values.items()))
        if key not in self._sent:
            self._sent[key] = len(self.prompts)
            note = "Not all of its references are stored as they were cut, so the prompt is no longer known."
            is_known = references is not None
            self.prompts.append(
                stage.sent(self.question, references, **values)
                if is_known
                else SentPrompt(messages=[], note=note)
            )
        return self._sent[key]

    def _judged(
        self, row: Row, trace: StoredTrace | None, stored: StoredTraces, judge: JudgeSource | None
    ) -> dict[str, int] | None:
        """The judge's trace about a sample, and what it was asked."""
        if judge is None or trace is None or row["extracted"] is None:
            return None
        for answer in _answers(row["extracted"], trace.row["answer"] or ""):
            shown_id = shown_to_judge(row["gold"], answer, *judge.scale)
            trace_id = stored.judged.get((self.digest, shown_id))
            if trace_id and stored.by_id[trace_id].row["recipe"] == judge.key:
                values = {"gold": row["gold"], "answer": answer, **judge.values}
                prompt = self._prompt("judge", judge.stage, (shown_id,), (), **values)
                return {"trace": self._index(trace_id, stored.by_id[trace_id]), "prompt": prompt}
        return None

    def _cut(self, text: str | None) -> Cut:
        if text is None or self.longest is None or len(text) <= self.longest:
            return text
        self.num_cut += 1
        head = self.longest // 4
        return [text[:head], len(text) - self.longest, text[head - self.longest :]]


def shown_with_sources(chosen: Sequence[Candidate], policy: References) -> list[tuple[list[Candidate], str]]:
    """The texts that the prompt showed, in its order, each with the candidates it came from."""
    unlimited = policy.model_copy(update={"total_max_tokens": None})
    groups: dict[object, list[Candidate]] = {}
    for index, candidate in enumerate(chosen):
        text = shown([candidate], unlimited)[0].text
        groups.setdefault(text if policy.duplicates == "merge" else index, []).append(candidate)
    texts = [reference.text for reference in shown(chosen, policy)]
    return list(zip(groups.values(), texts, strict=False))  # a total budget may drop the last references


def _answers(extracted: str, answer: str) -> Iterable[str]:
    """What a judge may have been shown of an answer whose grade perhaps holds its beginning alone."""
    yield extracted
    yield answer.strip()[-LONGEST_JUDGED:]


def _without_text(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _TEXTS}


def _candidate(row: Row) -> Candidate:
    return Candidate(
        trace_id=row["trace_id"],
        sample_index=row["sample_index"],
        status=row["status"],
        reasoning=row["reasoning"],
        answer=row["answer"] or "",
    )
