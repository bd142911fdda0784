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
    """The explorer's traces that the prompt shows, in its order; empty for the explorer's own prompt."""
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
        num_explored = source.manifest.stages[source.stages[0]].role.n
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
    """Problem by problem, in order, one in memory at a time."""
    rows = (row for batch in source.traces() for row in batch.to_pylist())
    for _, group in groupby(rows, key=itemgetter("problem_id", "problem_digest")):
        traces = list(group)
        explored = tuple(row for row in traces if row["stage"] == source.stages[0])
        samples = tuple(row for row in traces if row["stage"] == policy.stage)
        first = traces[0]
        references = _references(explored, samples, policy.references, first["problem_digest"])
        candidates = [_candidate(row) for row in references]
        texts = shown(candidates, policy.references) if policy.references else ()
        yield TrainingCase(
            problem_id=first["problem_id"],
            benchmark=first["benchmark"],
            question=first["question"],
            gold=first["gold"],
            messages=policy.prompt.render(first["question"], texts),
            references=references,
            samples=samples,
            explored=explored,
        )


def _references(
    explored: Sequence[Row], samples: Sequence[Row], policy: References | None, digest: str
) -> tuple[Row, ...]:
    if policy is None:
        return ()
    by_id = {row["trace_id"]: row for row in explored}
    ids = next((row["reference_ids"] for row in samples if row["answer"] is not None), None)
    if ids is None:
        candidates = choose([_candidate(row) for row in explored], policy, digest) or ()
        ids = [candidate.trace_id for candidate in candidates]
    return tuple(by_id[trace_id] for trace_id in ids if trace_id in by_id)


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
