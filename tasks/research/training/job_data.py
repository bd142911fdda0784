"""The training data of a job: problems, their prompts by the templates that the pipeline uses, and their target texts."""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from tasks.benchmarks.families.draw import parse, problems, puzzles
from tasks.benchmarks.families.puzzles import Puzzle
from tasks.benchmarks.problems import load_problems
from tasks.prompts.references import Reference
from tasks.prompts.render import load_prompt
from tasks.research.training import bill_targets, sum3_targets
from tasks.research.training.examples import Example, full_target
from tasks.research.training.jobs import (
    EXPLORE_PROMPT,
    PLAIN_SHARE,
    SYNTHESIZE_PROMPT,
    TrainingJob,
    TrainingSplit,
    reference_problems,
    sampling_experiment,
)
from tasks.research.training.reinforced import RewardedPrompt
from tasks.research.training.supervised import ExampleSource
from tasks.research.training.tokenizer import build_tokenizer
from tasks.run import stages_of
from warehouse.planner import distinct, wanted_traces

TARGETS = {"bill": bill_targets, "sum3": sum3_targets}
TOKENIZER = build_tokenizer()

PLAIN_TEMPLATE, READING_TEMPLATE = load_prompt(EXPLORE_PROMPT), load_prompt(SYNTHESIZE_PROMPT)

EMPTY_SHARE = 1 / 16
"""The share of prompts without references in a synthesizer's examples."""
HELPED_SHARE = 1 / 2
"""Of its prompts without a right reference, the share that gets one; otherwise a check would rarely succeed."""

PuzzleSource = Callable[[int, int], Iterable[Puzzle]]
"""(block, how many) -> the block's puzzles, always the same."""


class AnsweredPuzzle(NamedTuple):
    """A puzzle and what an explorer answered to it."""

    puzzle: Puzzle
    answers: list[str]


def plain_prompt(question: str) -> str:
    """The explorer's prompt."""
    return PLAIN_TEMPLATE.render(question)[0].content


def reading_prompt(question: str, texts: Sequence[str]) -> str:
    """The synthesizer's prompt."""
    references = tuple(Reference(number, text, 1) for number, text in enumerate(texts, start=1))
    return READING_TEMPLATE.render(question, references)[0].content


def plain_examples(job: TrainingJob) -> ExampleSource:
    """Training problems with their solutions: fresh ones, or a limited number of them again and again."""
    solution = TARGETS[job.training.family].solution
    drawn = _repeated(_limited_problems(job)) if job.training.explorer_problems else _fresh(job)

    def examples(block: int, count: int) -> list[Example]:
        return [Example(plain_prompt(p.question), full_target(solution(p))) for p in drawn(block, count)]

    return examples


def _fresh(job: TrainingJob) -> PuzzleSource:
    training = job.training

    def drawn(block: int, count: int) -> Iterable[Puzzle]:
        seed = f"{job.kind}/{job.seed}/{block}"
        return islice(puzzles(training.family, training.difficulty, seed, "train"), count)

    return drawn


def _limited_problems(job: TrainingJob) -> list[Puzzle]:
    """Every problem whose solution a job may see: its own, after those that explorers are sampled on unless it is an explorer."""
    benchmark = reference_problems(job, "train")
    num_own = job.training.explorer_problems or 0
    drawn = problems(benchmark.model_copy(update={"count": benchmark.count + num_own}))
    return drawn[benchmark.count :] if job.kind == "explorer" else drawn


def _repeated(pool: Sequence[Puzzle]) -> PuzzleSource:
    """All of a pool, then all of it again in another order, and so on."""

    @lru_cache(maxsize=2)
    def order(epoch: int) -> list[int]:
        indices = list(range(len(pool)))
        random.Random(epoch).shuffle(indices)  # noqa: S311 - reproducible, not secret
        return indices

    def drawn(block: int, count: int) -> Iterable[Puzzle]:
        turns = (divmod(number, len(pool)) for number in range(block * count, (block + 1) * count))
        return (pool[order(epoch)[index]] for epoch, index in turns)

    return drawn


def reading_examples(job: TrainingJob, answered: Sequence[AnsweredPuzzle]) -> ExampleSource:
    """Prompts with the explorers' own samples, one to `count` of them, and some plain problems."""
    targets, plain = TARGETS[job.training.family], plain_examples(job)

    def examples(block: int, count: int) -> list[Example]:
        rng = random.Random(f"{job.kind}/{job.seed}/{block}")  # noqa: S311 - reproducible
        num_plain = round(count * PLAIN_SHARE)
        drawn = list(plain(block, num_plain))
        for _ in range(count - num_plain):
            puzzle, references, others = _with_references(job, answered, rng)
            if job.kind == "selector":
                completion = targets.selection(puzzle, references)
            else:
                completion = targets.synthesis(puzzle, references, others, rng)
            drawn.append(Example(reading_prompt(puzzle.question, references), completion))
        return drawn

    return examples


def _with_references(
    job: TrainingJob, answered: Sequence[AnsweredPuzzle], rng: random.Random
) -> tuple[Puzzle, list[str], list[str]]:
    """A puzzle, the references of its prompt, and the texts that are not shown."""
    puzzle, texts = rng.choice(answered)
    most = job.training.references.count
    num = 0 if rng.random() < EMPTY_SHARE else rng.choice([*range(1, most + 1), *[most] * most])
    indices = rng.sample(range(len(texts)), min(num, len(texts)))
    references = [texts[index] for index in indices]
    others = [text for index, text in enumerate(texts) if index not in indices]
    solution = TARGETS[job.training.family].solution(puzzle)
    if references and solution not in references and rng.random() < HELPED_SHARE:
        references[rng.randrange(len(references))] = solution
    return puzzle, references, others


def solo_examples(job: TrainingJob, answered: Sequence[AnsweredPuzzle]) -> ExampleSource:
    """The synthesizer's problems and template without references: try, check, try again."""
    targets = TARGETS[job.training.family]

    def examples(block: int, count: int) -> list[Example]:
        rng = random.Random(f"{job.kind}/{job.seed}/{block}")  # noqa: S311 - reproducible
        drawn = [rng.choice(answered) for _ in range(count)]
        return [Example(reading_prompt(p.question, ()), targets.solo(p, texts, rng)) for p, texts in drawn]

    return examples


def rewarded_prompts(
    job: TrainingJob, answered: Sequence[AnsweredPuzzle]
) -> Callable[[int], list[RewardedPrompt]]:
    """The prompts of a step: `count` references each, as the explorers wrote them; no solution is inserted."""
    training = job.training

    def prompts(step: int) -> list[RewardedPrompt]:
        assert training.reinforcement  # noqa: S101
        rng = random.Random(f"{job.kind}/{job.seed}/{step}")  # noqa: S311 - reproducible
        drawn = [rng.choice(answered) for _ in range(training.reinforcement.num_prompts)]
        most = training.references.count
        return [
            RewardedPrompt(reading_prompt(p.question, rng.sample(texts, min(most, len(texts)))), p.gold)
            for p, texts in drawn
        ]

    return prompts


def answered_puzzles(job: TrainingJob, root: str, split: TrainingSplit) -> list[AnsweredPuzzle]:
    """The explorers' answers, read from the store, without those that reached the token limit."""
    answered = []
    for explorer in job.explorers if split == "train" else job.explorers[:1]:
        experiment = sampling_experiment(explorer, root, split)
        stage = stages_of(experiment, root)[0]
        benchmark = distinct(load_problems(experiment.benchmark, store=stage.index.store))
        wanted = {
            problem: [w.trace_id for w in wanted_traces(stage.recipe, problem, range(stage.num_samples))]
            for problem in benchmark
        }
        ids = [trace_id for group in wanted.values() for trace_id in group]
        rows = stage.index.rows(ids, ["answer", "status"]).to_pylist()
        texts = {row["trace_id"]: row["answer"] or "" for row in rows if row["status"] == "ok"}
        for problem, group in wanted.items():
            puzzle = parse(job.training.family, problem.question)
            answers = [texts[trace_id] for trace_id in group if trace_id in texts]
            answered.append(AnsweredPuzzle(puzzle, answers))
    return answered
