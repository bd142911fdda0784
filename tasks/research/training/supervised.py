"""Supervised training of one model; the loss covers what the model is to write and nothing else."""

import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from configs.training import Supervised
from tasks.research.training.checkpoint import TrainingProgress
from tasks.research.training.examples import Example
from tasks.research.training.model import Qwen3
from tasks.research.training.optimizer_step import IGNORED, CudaGraphStep, OptimizerStep
from tasks.research.training.tokenizer import END, PAD, chat

BATCHES_PER_BLOCK = 16
"""Examples are generated one block at a time and sorted by length within it, so that little of a batch is padding."""

NUM_WORKERS = 2
"""Processes that prepare the next blocks while a GPU trains; on a CPU no core is free for them."""

ExampleSource = Callable[[int, int], Sequence[Example]]
"""(block, how many) -> the block's examples, always the same, so that an interrupted training can resume."""


def train(
    model: Qwen3,
    tokenizer: Tokenizer,
    examples: ExampleSource,
    settings: Supervised,
    evaluate: Callable[[Qwen3], dict[str, float]],
    checkpoint: Path,
) -> TrainingProgress:
    """Train in place: Muon on matrices, AdamW on embeddings and norms. Returns the curve.

    Args:
        model: Its weights are changed.
        tokenizer: Of the model.
        examples: The source of examples.
        settings: Budget and rates.
        evaluate: Measures the model at regular intervals; what it returns joins the curve.
        checkpoint: Written every minute; if it exists at the start, training resumes from it.
    """
    is_on_gpu = torch.get_default_device().type == "cuda"
    pad = tokenizer.token_to_id(PAD)
    step = CudaGraphStep(model, settings, pad) if is_on_gpu else OptimizerStep(model, settings)
    num_steps = -(-settings.num_examples // settings.batch_size)
    progress = TrainingProgress(checkpoint, num_steps, settings.num_evaluations)
    progress.resume(model, step.optimizers)
    step.compile_for(num_steps - progress.num_steps)
    blocks = range(progress.num_steps // BATCHES_PER_BLOCK, -(-num_steps // BATCHES_PER_BLOCK))
    loader = DataLoader(
        _Blocks(tokenizer, examples, settings),
        sampler=blocks,
        batch_size=None,
        num_workers=NUM_WORKERS if is_on_gpu else 0,
    )
    for block in loader:
        for ids, targets in block:
            if progress.num_steps == num_steps:
                break
            done = progress.num_steps / num_steps
            rate = min(1.0, (progress.num_steps + 1) / settings.warmup_steps)
            rate *= 0.02 + 0.49 * (1 + math.cos(math.pi * done))
            loss, num_tokens = step.take(ids, targets, rate)
            progress.record_step(num_tokens, {"loss": loss}, lambda: evaluate(model))
        progress.save_if_due(model, step.optimizers)
    return progress


class _Blocks(Dataset[list[tuple[Tensor, Tensor]]]):
    """Blocks of batches by number."""

    def __init__(self, tokenizer: Tokenizer, examples: ExampleSource, settings: Supervised) -> None:
        self._tokenizer, self._examples, self._settings = tokenizer, examples, settings

    def __getitem__(self, block: int) -> list[tuple[Tensor, Tensor]]:
        drawn = self._examples(block, BATCHES_PER_BLOCK * self._settings.batch_size)
        return [batch_of(self._tokenizer, batch) for batch in batches_of(drawn, self._settings, block)]


def batches_of(drawn: Sequence[Example], settings: Supervised, block: int) -> list[Sequence[Example]]:
    """A block's batches of about equal length each, in random order."""
    by_length = sorted(drawn, key=lambda e: len(e.prompt) + sum(len(p.text) for p in e.completion))
    starts = list(range(0, len(by_length), settings.batch_size))
    random.Random(block).shuffle(starts)  # noqa: S311 - reproducible, not secret
    return [by_length[start : start + settings.batch_size] for start in starts]


def batch_of(tokenizer: Tokenizer, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Token ids and next-token targets, both (batch, length), on the CPU; IGNORED where there is no loss."""
    rows = [_encoded(tokenizer, example) for example in examples]
    length = max(len(ids) for ids, _ in rows)
    pad = tokenizer.token_to_id(PAD)
    return _padded([ids for ids, _ in rows], length, pad), _padded([to for _, to in rows], length, IGNORED)


@lru_cache(maxsize=1 << 16)
def _encoded(tokenizer: Tokenizer, example: Example) -> tuple[list[int], list[int]]:
    """Ids and targets of one example; cached, since with limited problems it comes again and again."""
    ids = list(tokenizer.encode(chat(example.prompt)).ids)
    targets = [IGNORED] * len(ids)
    for piece in example.completion:
        tokens = tokenizer.encode(piece.text).ids
        ids += tokens
        targets += tokens if piece.has_loss else [IGNORED] * len(tokens)
    return ids, [*targets[1:], tokenizer.token_to_id(END)]


def _padded(rows: Sequence[list[int]], length: int, filler: int) -> Tensor:
    return torch.tensor([row + [filler] * (length - len(row)) for row in rows], device="cpu")
