"""Sampling from a model in torch, in batches with a key-value cache; used while training only."""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor

from tasks.training.model import Cache, Qwen3
from tasks.training.tokenizer import END, PAD, chat


@torch.no_grad()
def sample(
    model: Qwen3,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    max_tokens: int,
    temperature: float,
    seed: int,
    batch_size: int = 256,
) -> list[list[int]]:
    """One completion a prompt, as token ids, its end among them if it came to one; temperature 0 is greedy.

    Prompts of like length are batched together.
    """
    random = torch.Generator(torch.get_default_device()).manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    drawn: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        batch = _batch(model, tokenizer, [prompts[p] for p in places], max_tokens, temperature, random)
        for place, ids in zip(places, batch, strict=True):
            drawn[place] = ids
    return drawn


def decode(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of a completion, without its end."""
    end = tokenizer.token_to_id(END)
    return tokenizer.decode([token for token in ids if token != end], skip_special_tokens=False)


def _batch(
    model: Qwen3,
    tokenizer: Tokenizer,
    prompts: list[str],
    max_tokens: int,
    temperature: float,
    random: torch.Generator,
) -> list[list[int]]:
    """Left-padded, so that all rows write at the same place; rows that ended leave the batch."""
    encoded = [e.ids for e in tokenizer.encode_batch_fast([chat(prompt) for prompt in prompts])]
    length, end = max(map(len, encoded)), tokenizer.token_to_id(END)
    pads = torch.tensor([length - len(ids) for ids in encoded])
    ids = torch.tensor(
        [[tokenizer.token_to_id(PAD)] * int(p) + e for p, e in zip(pads, encoded, strict=True)]
    )
    places = torch.arange(length)
    hidden = places[None, :] < pads[:, None]
    mask = (
        torch.full((length, length), float("-inf")).triu(1)[None, None]
        + torch.zeros_like(hidden, dtype=torch.float).masked_fill(hidden, -1e9)[:, None, None, :]
    )
    logits, cache = model(ids, (places[None] - pads[:, None]).clamp(min=0), mask)
    rows = torch.arange(len(prompts))
    written: list[list[int]] = [[] for _ in prompts]
    for step in range(max_tokens):
        token = _draw(logits[:, -1].float(), temperature, random)
        for row, value in zip(rows.tolist(), token.tolist(), strict=True):
            written[row].append(value)
        going = token != end
        if not going.any():
            break
        rows, token, hidden = rows[going], token[going], hidden[going]
        cache = _kept(cache, going)
        hidden = torch.cat((hidden, torch.zeros(len(rows), 1, dtype=torch.bool)), 1)
        mask = torch.zeros_like(hidden, dtype=torch.float).masked_fill(hidden, -1e9)[:, None, None, :]
        logits, cache = model(token[:, None], (length + step - pads[rows])[:, None], mask, cache)
    return written


def _draw(logits: Tensor, temperature: float, random: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=random)[:, 0]


def _kept(cache: Cache, going: Tensor) -> Cache:
    return cache if going.all() else [(k[going], v[going]) for k, v in cache]
