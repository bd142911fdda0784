"""The prompts of a run's problems as the pipeline rendered them, from the traces that are stored.

A template is taken only if its digest is the one in the traces' recipe. References are the ordered ids
that the synthesizer's traces hold; where it made none, or the run has no synthesizer, the policy chooses
them from what is stored, as the pipeline would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from configs.roles import References, Synthesizer
from configs.schema import UserError
from tasks.engines.protocol import Message
from tasks.exchange.exports.source import Source
from tasks.prompts.references import Candidate, choose, shown
from tasks.prompts.render import Prompt, load_prompt
from tasks.prompts.selection import READINGS
from warehouse.catalog import Row


@dataclass(frozen=True, slots=True)
class TrainingCase:
    """One problem with what a training set may say of it."""

    problem_id: str
    benchmark: str
    question: str
    gold: str
    messages: tuple[Message, ...]
    """The prompt of the stage that is exported."""
    references: tuple[Row, ...]
    """The traces that the prompt shows, in its order; empty for an explorer's own prompt."""
    samples: tuple[Row, ...]
    """The traces of the stage that is exported; empty where the run has none."""
    explored: tuple[Row, ...]
    """All explorer traces of the problem."""


@dataclass(frozen=True, slots=True)
class PromptPolicy:
    """How prompts are made: the template, and for a synthesizer what it is shown."""

    stage: str | None
    """Whose traces are exported; None: a synthesizer's, which the run has none of."""
    prompt: Prompt
    references: References | None


def policy_of(source: Source, stage: str | None, prompt: str | None, count: int | None) -> PromptPolicy:
    """The run's own policy for a stage; `prompt` and `count` are for runs without a synthesizer.

    Raises UserError where the template is not what it was.
    """
    chosen = stage or source.reader
    if chosen not in source.stages:
        num_explored = sum(source.manifest.stages[name].role.n for name in source.explorers)
        wanted = count or min(References().count, num_explored)
        if wanted > num_explored:
            raise UserError(
                f"--references is {wanted}, but {source.run_id} has {num_explored} samples per problem."
            )
        template = prompt or Synthesizer.model_fields["prompt"].default
        return PromptPolicy(None, load_prompt(template), References(count=wanted))
    if prompt or count:
        raise UserError(
            f"--prompt and --references are for runs without a synthesizer; {source.run_id} has prompts of its own."
        )
    name, recipe = source.manifest.prompt(chosen), source.recipe(chosen)
    if recipe.stage in READINGS:
        raise UserError(
            f"The answers of {chosen} in {source.run_id} are those of its candidates, not its model's own words; export a stage "
            "that it reads, or its traces with --format parquet."
        )
    template = load_prompt(name)
    if template.digest != recipe.prompt_digest:
        raise UserError(
            f"The prompt {name} has changed since {source.run_id}, so its prompts cannot be rendered as they "
            "were; restore the file, or run the experiment again and export that run."
        )
    return PromptPolicy(chosen, template, recipe.references)


def cases(source: Source, policy: PromptPolicy) -> Iterator[TrainingCase]:
    """Problem by problem, in order, one in memory at a time; a case for each group of references that samples were shown."""
    rows = (row for batch in source.traces() for row in batch.to_pylist())
    for _, group in groupby(rows, key=itemgetter("problem_id", "problem_digest")):
        traces = list(group)
        explored = tuple(row for row in traces if row["stage"] in source.explorers)
        first, by_id = traces[0], {row["trace_id"]: row for row in traces}
        for ids, samples in _groups(traces, explored, policy).items():
            references = tuple(by_id[trace_id] for trace_id in ids if trace_id in by_id)
            candidates = [_candidate(row) for row in references]
            texts = shown(candidates, policy.references) if policy.references else ()
            yield TrainingCase(
                problem_id=first["problem_id"],
                benchmark=first["benchmark"],
                question=first["question"],
                gold=first["gold"],
                messages=policy.prompt.render(first["question"], texts),
                references=references,
                samples=tuple(samples),
                explored=explored,
            )


def _groups(
    traces: Sequence[Row], explored: Sequence[Row], policy: PromptPolicy
) -> dict[tuple[str, ...], list[Row]]:
    """The stage's samples of a problem by the ids of what they were shown; what would be shown, where none was made."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    samples = [row for row in traces if row["stage"] == policy.stage]
    for row in sorted(samples, key=lambda row: row["answer"] is None):
        is_first = row["answer"] is None and groups
        ids = next(iter(groups)) if is_first else tuple(row["reference_ids"])
        groups.setdefault(ids, []).append(row)
    if policy.references and not any(groups):
        chosen = choose([_candidate(row) for row in explored], policy.references, traces[0]["problem_digest"])
        return {tuple(candidate.trace_id for candidate in chosen or ()): samples}
    return groups or {(): []}


def _candidate(row: Row) -> Candidate:
    """What an export cannot wait for counts as refused."""
    status = row["status"] if row["answer"] is not None else "error"
    return Candidate(
        row["trace_id"],
        row["sample_index"],
        status,
        is_permanent=True,
        reasoning=row["reasoning"],
        answer=row["answer"] or "",
    )
