"""Supervised training of one model; the loss is on what the model is to write, and on nothing else."""

import math
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from configs.training import Supervised
from tasks.training.examples import Example
from tasks.training.model import Qwen3, autocast, causal
from tasks.training.progress import Progress
from tasks.training.tokenizer import END, PAD, chat

BATCHES_A_BLOCK = 16
"""Examples are made a block at a time and sorted by length within it: little of a batch is padding."""

STEPS_WORTH_COMPILING = 1000
"""Fusing a model takes about a minute; a step is then a third to a half faster."""

IGNORED = -100
"""torch's mark of a target that is not learnt."""

Examples = Callable[[int, int], Sequence[Example]]
"""(block, how many) -> the block's examples, always the same: training goes on where it was broken off."""


def train(
    model: Qwen3,
    tokenizer: Tokenizer,
    examples: Examples,
    settings: Supervised,
    evaluate: Callable[[Qwen3], dict[str, float]],
    checkpoint: Path,
) -> Progress:
    """Train in place: Muon on matrices, AdamW on embeddings and norms. Returns the curve.

    Args:
        model: Its weights are changed.
        tokenizer: Of the model.
        examples: Where they come from.
        settings: Budget and rates.
        evaluate: Measures the model every so often; what it returns joins the curve.
        checkpoint: Kept here every minute, read at the beginning if there is one.
    """
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.dim() == 2 and "embed" not in name]  # noqa: PLR2004
    rest = [p for name, p in named if p.dim() != 2 or "embed" in name]  # noqa: PLR2004
    muon = torch.optim.Muon(matrices, lr=settings.matrix_rate, weight_decay=0.0, adjust_lr_fn="original")
    adam = torch.optim.AdamW(rest, lr=settings.other_rate, betas=(0.9, 0.95), weight_decay=0.0)
    num_steps = -(-settings.num_examples // settings.batch_size)
    progress = Progress(checkpoint, num_steps, settings.num_evaluations)
    progress.resume(model, [muon, adam])
    forward = _fused(model) if num_steps - progress.num_steps >= STEPS_WORTH_COMPILING else model
    for block in range(progress.num_steps // BATCHES_A_BLOCK, -(-num_steps // BATCHES_A_BLOCK)):
        for batch in batches_of(examples(block, BATCHES_A_BLOCK * settings.batch_size), settings, block):
            if progress.num_steps == num_steps:
                break
            share = progress.num_steps / num_steps
            rate = min(1.0, (progress.num_steps + 1) / settings.warmup_steps)
            rate *= 0.02 + 0.49 * (1 + math.cos(math.pi * share))
            for optimizer, peak in ((muon, settings.matrix_rate), (adam, settings.other_rate)):
                for group in optimizer.param_groups:
                    group["lr"] = rate * peak
            ids, targets = batch_of(tokenizer, batch)
            with autocast():
                logits, _ = forward(ids, *causal(ids))
            loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in (muon, adam):
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            progress.step(ids.numel(), {"loss": loss.item()}, lambda: evaluate(model))
        progress.keep(model, [muon, adam])
    return progress


def _fused(model: Qwen3) -> Callable[..., Any]:
    """The same model with its element-wise operations fused; itself where there is no C++ compiler."""
    if not (shutil.which("g++") or shutil.which("clang++")):
        return model
    return cast("Callable[..., Any]", torch.compile(model, dynamic=True))


def batches_of(drawn: Sequence[Example], settings: Supervised, block: int) -> list[Sequence[Example]]:
    """A block's batches of about equal length each, in random order."""
    by_length = sorted(drawn, key=lambda e: len(e.prompt) + sum(len(p.text) for p in e.completion))
    starts = list(range(0, len(by_length), settings.batch_size))
    random.Random(block).shuffle(starts)  # noqa: S311 - reproducible, not secret
    return [by_length[start : start + settings.batch_size] for start in starts]


def batch_of(tokenizer: Tokenizer, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Token ids and next-token targets, both (batch, length); IGNORED where nothing is to be learnt."""
    end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    texts = [text for e in examples for text in (chat(e.prompt), *(piece.text for piece in e.completion))]
    encoded = iter(tokenizer.encode_batch_fast(texts))
    rows = []
    for example in examples:
        ids = list(next(encoded).ids)
        is_learnt = [False] * len(ids)
        for piece in example.completion:
            more = next(encoded).ids
            ids += more
            is_learnt += [piece.is_learnt] * len(more)
        rows.append(([*ids, end], [*is_learnt, True]))
    length = max(len(ids) for ids, _ in rows) - 1
    inputs = torch.full((len(rows), length), pad)
    targets = torch.full((len(rows), length), IGNORED)
    for row, (ids, is_learnt) in enumerate(rows):
        whole = torch.tensor(ids)
        inputs[row, : len(ids) - 1] = whole[:-1]
        targets[row, : len(ids) - 1] = whole[1:].where(torch.tensor(is_learnt[1:]), IGNORED)
    return inputs, targets
