"""How a training's curve is measured: accuracy on development problems, one sample each at temperature 1."""

from collections.abc import Callable, Sequence
from itertools import islice

from tasks.benchmarks.families.draw import puzzles
from tasks.benchmarks.families.puzzles import Puzzle
from tasks.research.training.job_data import TOKENIZER, answered_puzzles, plain_prompt, reading_prompt
from tasks.research.training.jobs import TrainingJob
from tasks.research.training.model import Qwen3
from tasks.research.training.reinforced import is_right
from tasks.research.training.sample import sample

Measure = Callable[[Qwen3], dict[str, float]]
"""A model -> its measurements by name."""


def evaluate_alone(job: TrainingJob) -> Measure:
    """With the explorer's prompt."""
    drawn = _development_puzzles(job)
    prompts = [plain_prompt(p.question) for p in drawn]
    return _accuracy_on(prompts, [p.gold for p in drawn], job.training.explorer_tokens)


def evaluate_trying(job: TrainingJob) -> Measure:
    """With the synthesizer's prompt, without references."""
    drawn = _development_puzzles(job)
    prompts = [reading_prompt(p.question, ()) for p in drawn]
    return _accuracy_on(prompts, [p.gold for p in drawn], job.training.synthesizer_tokens)


def evaluate_reading(job: TrainingJob, root: str) -> Measure:
    """With the synthesizer's prompt and the headline explorer's samples as references."""
    answered = answered_puzzles(job, root, "development")
    prompts = [reading_prompt(puzzle.question, texts) for puzzle, texts in answered]
    golds = [puzzle.gold for puzzle, _ in answered]
    return _accuracy_on(prompts, golds, job.training.synthesizer_tokens)


def _development_puzzles(job: TrainingJob) -> list[Puzzle]:
    training = job.training
    drawn = puzzles(training.family, training.difficulty, 0, "development")
    return list(islice(drawn, training.num_development))


def _accuracy_on(prompts: Sequence[str], golds: Sequence[str], max_tokens: int) -> Measure:
    def evaluate(model: Qwen3) -> dict[str, float]:
        drawn = sample(model, TOKENIZER, prompts, max_tokens=max_tokens, temperature=1.0, seed=0)
        right = [is_right(TOKENIZER, ids, gold) for ids, gold in zip(drawn, golds, strict=True)]
        return {"accuracy": sum(right) / len(right)}

    return evaluate
