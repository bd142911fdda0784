"""One problem as the trace reader shows it: each text once, and which sample of which run refers to which text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from pydantic import JsonValue, ValidationError

from configs.roles import References
from tasks.prompts.references import Candidate, shown
from warehouse.catalog import Row, Rows
from warehouse.manifest import settings_at

Cut = str | list[str | int] | None
"""A text; a long one as its head, the number of characters left out, and its tail."""


class Entry(TypedDict):
    """A problem as embedded in the page."""

    question: str | None
    traces: Rows
    runs: dict[str, Rows]


class ProblemTexts:
    """The texts of one problem, shared by all runs that use them."""

    def __init__(self, question: str | None, longest: int) -> None:
        self.question, self.longest, self.num_cut = question, longest, 0
        self.traces: Rows = []
        self.runs: dict[str, Rows] = {}
        self._indexes: dict[str, int] = {}

    def add_run(self, run_id: str, samples: Rows, policies: Mapping[str, References | None]) -> None:
        """Add a run's samples, the explorer's first."""
        texts = {row["trace_id"]: row for row in samples}
        self.runs[run_id] = [
            {
                "stage": row["stage"],
                "round": row["round"],
                "index": row["sample_index"],
                "verdict": row["verdict"],
                "points": row["points"],
                "extracted": row["extracted"],
                "by_hand": row["decided_by"] if row["is_by_hand"] else None,
                "why": row["why_by_hand"],
                "trace": self._index(row),
                "shown": self._shown(row, texts, policies.get(row["stage"])),
            }
            for row in samples
        ]

    def content(self) -> Entry:
        """The problem as embedded in the page."""
        return Entry(question=self.question, traces=self.traces, runs=self.runs)

    def _index(self, row: Row) -> int:
        index = self._indexes.setdefault(row["trace_id"], len(self.traces))
        if index == len(self.traces):
            self.traces.append(
                {
                    "status": row["status"],
                    "finish": row["finish_reason"],
                    "seed": row["seed"],
                    "prompt_tokens": row["num_prompt_tokens"],
                    "tokens": row["num_completion_tokens"],
                    "seconds": row["latency_seconds"],
                    "error": row["error_message"],
                    "reasoning": self._cut(row["reasoning"]),
                    "answer": self._cut(row["answer"]),
                }
            )
        return index

    def _shown(self, row: Row, texts: Mapping[str, Row], policy: References | None) -> Rows | None:
        """The prompt's references in order: the traces each came from, and its text if it differs from their answer.

        `is_exact` is false if it is no longer known how the run cut its references.
        """
        ids = row["reference_ids"]
        if not ids:
            return None
        chosen = [_candidate(texts[trace_id]) for trace_id in ids if trace_id in texts]
        is_exact = policy is not None and len(chosen) == len(ids)
        groups = (
            shown_with_sources(chosen, policy)
            if policy is not None and is_exact
            else [([c], None) for c in chosen]
        )
        return [
            {
                "of": [self._indexes[candidate.trace_id] for candidate in group],
                "text": None if text == group[0].answer.strip() else self._cut(text),
                "is_exact": is_exact,
            }
            for group, text in groups
        ]

    def _cut(self, text: str | None) -> Cut:
        if text is None or len(text) <= self.longest:
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


def reference_policy(config: Mapping[str, JsonValue], settings: str) -> References | None:
    """How a stage cut its references, by its settings' place in the run's configuration.

    None if these cannot be read or the tokenizer no longer exists.
    """
    role = settings_at(config, settings)
    try:
        policy = References.model_validate(role.get("references") if isinstance(role, dict) else None)
    except ValidationError:
        return None
    return None if policy.tokenizer and not Path(policy.tokenizer).exists() else policy


def _candidate(row: Row) -> Candidate:
    return Candidate(
        trace_id=row["trace_id"],
        sample_index=row["sample_index"],
        status=row["status"],
        reasoning=row["reasoning"],
        answer=row["answer"] or "",
    )
