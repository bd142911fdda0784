"""On-policy reinforcement with a verifiable reward (GRPO, arXiv 2402.03300).

Each prompt is answered several times; a right answer is rewarded with 1. A sample's advantage is its
reward minus its group's mean, divided by the group's standard deviation. Every batch is used for one
step, so the policy is the one that sampled, its ratio is 1 and nothing needs clipping; the loss is
averaged over the tokens of all samples, and there is no KL term. Entropy and rewards are recorded.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from configs.training import Reinforcement
from tasks.graders.extraction import extract_answer
from tasks.research.training.checkpoint import TrainingProgress
from tasks.research.training.model import Qwen3, autocast, causal
from tasks.research.training.sample import decode, sample
from tasks.research.training.tokenizer import END, PAD, chat

ROWS_PER_PASS = 64
"""Samples whose activations are in memory together."""


class RewardedPrompt(NamedTuple):
    """A prompt and the answer that is rewarded."""

    prompt: str
    gold: str


def reinforce(
    model: Qwen3,
    tokenizer: Tokenizer,
    prompts: Callable[[int], Sequence[RewardedPrompt]],
    settings: Reinforcement,
    max_tokens: int,
    seed: int,
    evaluate: Callable[[Qwen3], dict[str, float]],
    checkpoint: Path,
) -> TrainingProgress:
    """Reinforce in place. Returns the curve: reward, entropy (nats per token), tokens per sample, truncated share.

    Args:
        model: Its weights are changed.
        tokenizer: Of the model.
        prompts: A step's prompts, always the same for a step.
        settings: Budget, group size, temperature and rate.
        max_tokens: Longest answer; a longer one is truncated and gets no reward.
        seed: Of the samples.
        evaluate: Measures the model at regular intervals.
        checkpoint: Written every minute; if it exists at the start, training resumes from it.
    """
    adam = torch.optim.AdamW(model.parameters(), lr=settings.rate, betas=(0.9, 0.95), weight_decay=0.0)
    progress = TrainingProgress(checkpoint, settings.num_steps, settings.num_evaluations)
    progress.resume(model, [adam])
    for step in range(progress.num_steps, settings.num_steps):
        batch = [prompt for prompt in prompts(step) for _ in range(settings.group_size)]
        drawn = sample(
            model,
            tokenizer,
            [prompt.prompt for prompt in batch],
            max_tokens=max_tokens,
            temperature=settings.temperature,
            seed=(seed << 32) + step,
        )
        rewards = torch.tensor(
            [float(is_right(tokenizer, ids, prompt.gold)) for ids, prompt in zip(drawn, batch, strict=True)]
        )
        samples = [(prompt.prompt, ids) for prompt, ids in zip(batch, drawn, strict=True)]
        entropy = _step(
            model, tokenizer, samples, advantages(rewards, settings.group_size), adam, settings.temperature
        )
        num_tokens = sum(map(len, drawn))
        measured = {
            "reward": rewards.mean().item(),
            "tokens": num_tokens / len(drawn),
            "truncated": sum(ids[-1] != tokenizer.token_to_id(END) for ids in drawn) / len(drawn),
        }
        if entropy is not None:
            measured["entropy"] = entropy
        progress.record_step(num_tokens, measured, lambda: evaluate(model))
        progress.save_if_due(model, [adam])
    return progress


def is_right(tokenizer: Tokenizer, ids: Sequence[int], gold: str) -> bool:
    """Whether a completion is complete and its last box holds the answer; the rule of the grader `exact`."""
    is_complete = ids[-1] == tokenizer.token_to_id(END)
    return is_complete and extract_answer(decode(tokenizer, ids).rpartition("</think>")[2]) == gold


def advantages(rewards: Tensor, group_size: int) -> Tensor:
    """Each sample's advantage over its group, 0 where a group's rewards are all equal; shape as `rewards`."""
    groups = rewards.view(-1, group_size)
    centred = groups - groups.mean(1, keepdim=True)
    return (centred / (groups.std(1, keepdim=True) + 1e-6)).flatten()


def _step(
    model: Qwen3,
    tokenizer: Tokenizer,
    samples: Sequence[tuple[str, list[int]]],
    advantage: Tensor,
    adam: torch.optim.Optimizer,
    temperature: float,
) -> float | None:
    """One step of the policy gradient; returns the mean entropy of the samples that have a gradient, if any."""
    order = advantage.nonzero()[:, 0].tolist()
    order.sort(key=lambda index: len(samples[index][0]) + len(samples[index][1]))
    num_tokens = sum(len(samples[index][1]) for index in order)
    if not order:
        return None
    entropy = 0.0
    for start in range(0, len(order), ROWS_PER_PASS):
        indices = order[start : start + ROWS_PER_PASS]
        ids, targets, is_written = _rows(tokenizer, [samples[index] for index in indices])
        with autocast():
            logits, _ = model(ids, *causal(ids))
        log_probabilities = (logits.float() / temperature).log_softmax(-1)
        taken = log_probabilities.gather(-1, targets[..., None])[..., 0]
        loss = -(taken * advantage[indices][:, None] * is_written).sum() / num_tokens
        loss.backward()
        with torch.no_grad():
            per_token = -(log_probabilities.exp() * log_probabilities).sum(-1)
            entropy += (per_token * is_written).sum().item() / num_tokens
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adam.step()
    adam.zero_grad(set_to_none=True)
    return entropy


def _rows(tokenizer: Tokenizer, samples: Sequence[tuple[str, list[int]]]) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, next tokens, and which of these the model wrote itself; all (rows, length)."""
    prompts = [e.ids for e in tokenizer.encode_batch_fast([chat(prompt) for prompt, _ in samples])]
    sequences = [prompt + ids for prompt, (_, ids) in zip(prompts, samples, strict=True)]
    length = max(map(len, sequences)) - 1
    inputs = torch.full((len(samples), length), tokenizer.token_to_id(PAD))
    targets, is_written = inputs.clone(), torch.zeros(len(samples), length)
    for row, (ids, prompt) in enumerate(zip(sequences, prompts, strict=True)):
        inputs[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        targets[row, : len(ids) - 1] = torch.tensor(ids[1:])
        is_written[row, len(prompt) - 1 : len(ids) - 1] = 1.0
    return inputs, targets, is_written
