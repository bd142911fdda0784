"""On-policy reinforcement with a verifiable reward (GRPO, arXiv 2402.03300).

Each prompt is answered several times; a right answer is rewarded with 1. A sample's advantage is its
reward less its group's mean, divided by the group's standard deviation. Every batch is used for one
step, so the policy is the one that sampled, its ratio is 1 and nothing needs clipping; the loss is
averaged over the tokens of all samples, and there is no KL term. Entropy and rewards are watched.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from configs.training import Reinforcement
from tasks.graders.extraction import extract_answer
from tasks.research.training.model import Qwen3, autocast, causal
from tasks.research.training.progress import Progress
from tasks.research.training.sample import decode, sample
from tasks.research.training.tokenizer import END, PAD, chat

ROWS_A_PASS = 64
"""Samples whose activations stand in memory together."""


class Question(NamedTuple):
    """A prompt and what its answer should be."""

    prompt: str
    gold: str


def reinforce(
    model: Qwen3,
    tokenizer: Tokenizer,
    questions: Callable[[int], Sequence[Question]],
    settings: Reinforcement,
    max_tokens: int,
    seed: int,
    evaluate: Callable[[Qwen3], dict[str, float]],
    checkpoint: Path,
) -> Progress:
    """Reinforce in place. Returns the curve: reward, entropy (nats a token), tokens a sample, share cut off.

    Args:
        model: Its weights are changed.
        tokenizer: Of the model.
        questions: A step's questions, always the same for a step.
        settings: Budget, group size, temperature and rate.
        max_tokens: Longest answer; what is longer is cut and gets nothing.
        seed: Of the samples.
        evaluate: Measures the model every so often.
        checkpoint: Kept here every minute, read at the beginning if there is one.
    """
    adam = torch.optim.AdamW(model.parameters(), lr=settings.rate, betas=(0.9, 0.95), weight_decay=0.0)
    progress = Progress(checkpoint, settings.num_steps, settings.num_evaluations)
    progress.resume(model, [adam])
    for step in range(progress.num_steps, settings.num_steps):
        asked = [q for q in questions(step) for _ in range(settings.group_size)]
        drawn = sample(
            model,
            tokenizer,
            [q.prompt for q in asked],
            max_tokens=max_tokens,
            temperature=settings.temperature,
            seed=(seed << 32) + step,
        )
        rewards = torch.tensor(
            [float(is_right(tokenizer, ids, q.gold)) for ids, q in zip(drawn, asked, strict=True)]
        )
        told = [(q.prompt, ids) for q, ids in zip(asked, drawn, strict=True)]
        entropy = _step(
            model, tokenizer, told, advantages(rewards, settings.group_size), adam, settings.temperature
        )
        num_tokens = sum(map(len, drawn))
        seen = {
            "reward": rewards.mean().item(),
            "tokens": num_tokens / len(drawn),
            "truncated": sum(ids[-1] != tokenizer.token_to_id(END) for ids in drawn) / len(drawn),
        }
        if entropy is not None:
            seen["entropy"] = entropy
        progress.step(num_tokens, seen, lambda: evaluate(model))
        progress.keep(model, [adam])
    return progress


def is_right(tokenizer: Tokenizer, ids: Sequence[int], gold: str) -> bool:
    """Whether a completion came to its end and its last box holds the answer; the rule of the grader `exact`."""
    is_whole = ids[-1] == tokenizer.token_to_id(END)
    return is_whole and extract_answer(decode(tokenizer, ids).rpartition("</think>")[2]) == gold


def advantages(rewards: Tensor, group_size: int) -> Tensor:
    """Of each sample against its group, 0 where all of a group fared alike; shape as `rewards`."""
    groups = rewards.view(-1, group_size)
    centred = groups - groups.mean(1, keepdim=True)
    return (centred / (groups.std(1, keepdim=True) + 1e-6)).flatten()


def _step(
    model: Qwen3,
    tokenizer: Tokenizer,
    told: Sequence[tuple[str, list[int]]],
    advantage: Tensor,
    adam: torch.optim.Optimizer,
    temperature: float,
) -> float | None:
    """One step of the policy gradient; returns the mean entropy of the samples that it learnt from, if any."""
    order = advantage.nonzero()[:, 0].tolist()
    order.sort(key=lambda place: len(told[place][0]) + len(told[place][1]))
    num_tokens = sum(len(told[place][1]) for place in order)
    if not order:
        return None
    entropy = 0.0
    for start in range(0, len(order), ROWS_A_PASS):
        places = order[start : start + ROWS_A_PASS]
        ids, targets, is_written = _rows(tokenizer, [told[place] for place in places])
        with autocast():
            logits, _ = model(ids, *causal(ids))
        log_probabilities = (logits.float() / temperature).log_softmax(-1)
        taken = log_probabilities.gather(-1, targets[..., None])[..., 0]
        loss = -(taken * advantage[places][:, None] * is_written).sum() / num_tokens
        loss.backward()
        with torch.no_grad():
            per_token = -(log_probabilities.exp() * log_probabilities).sum(-1)
            entropy += (per_token * is_written).sum().item() / num_tokens
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adam.step()
    adam.zero_grad(set_to_none=True)
    return entropy


def _rows(tokenizer: Tokenizer, told: Sequence[tuple[str, list[int]]]) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, next tokens, and which of these the model wrote itself; all (rows, length)."""
    prompts = [e.ids for e in tokenizer.encode_batch_fast([chat(prompt) for prompt, _ in told])]
    whole = [prompt + ids for prompt, (_, ids) in zip(prompts, told, strict=True)]
    length = max(map(len, whole)) - 1
    inputs = torch.full((len(told), length), tokenizer.token_to_id(PAD))
    targets, is_written = inputs.clone(), torch.zeros(len(told), length)
    for row, (ids, prompt) in enumerate(zip(whole, prompts, strict=True)):
        inputs[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        targets[row, : len(ids) - 1] = torch.tensor(ids[1:])
        is_written[row, len(prompt) - 1 : len(ids) - 1] = 1.0
    return inputs, targets, is_written
