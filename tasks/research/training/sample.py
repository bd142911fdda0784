"""Sampling from a model in torch, in batches with a key-value cache; used while training only."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from tasks.research.training.model import Cache, Qwen3
from tasks.research.training.tokenizer import END, PAD, chat

BATCH_SIZE = {"cpu": 256, "cuda": 1024}
"""Prompts that are answered together."""


STEPS_BETWEEN_LOOKS = 16
"""On a GPU: tokens after which it is asked whether all rows have ended."""
PADDED_TO = 32
"""On a GPU prompts are padded to multiples of this, so that one graph serves many batches."""


@torch.no_grad()
def sample(
    model: Qwen3,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    max_tokens: int,
    temperature: float,
    seed: int,
) -> list[list[int]]:
    """One completion a prompt, as token ids, its end among them if it came to one; temperature 0 is greedy.

    Prompts of like length are batched together.
    """
    device = torch.get_default_device()
    random = torch.Generator(device).manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    drawn: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), BATCH_SIZE[device.type]):
        places = order[start : start + BATCH_SIZE[device.type]]
        encoded = [e.ids for e in tokenizer.encode_batch_fast([chat(prompts[p]) for p in places])]
        end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
        if device.type == "cuda":
            length = -(-max(map(len, encoded)) // PADDED_TO) * PADDED_TO
            writer = _writer(model, len(encoded), length, max_tokens, temperature)
            batch = writer.write(_padded(encoded, length, pad), random, end)
        else:
            batch = _batch(
                model, _padded(encoded, max(map(len, encoded)), pad), max_tokens, temperature, random, end
            )
        for place, ids in zip(places, batch, strict=True):
            drawn[place] = ids
    return drawn


def decode(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of a completion, without its end."""
    end = tokenizer.token_to_id(END)
    return tokenizer.decode([token for token in ids if token != end], skip_special_tokens=False)


class _Padded(NamedTuple):
    """Prompts filled up on the left, so that all rows write at the same place."""

    ids: Tensor
    pads: Tensor
    """How much was filled up, (rows)."""

    @property
    def hidden(self) -> Tensor:
        """Which places are none of a prompt's, (rows, length)."""
        return torch.arange(self.ids.shape[1])[None, :] < self.pads[:, None]

    def prefill(self, model: Qwen3) -> tuple[Tensor, Cache]:
        """Logits and the keys and values of the prompts."""
        length = self.ids.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)[None, None] + _masked(self.hidden)
        positions = (torch.arange(length)[None] - self.pads[:, None]).clamp(min=0)
        return model(self.ids, positions, mask)


def _padded(encoded: Sequence[Sequence[int]], length: int, pad: int) -> _Padded:
    ids = torch.tensor([[pad] * (length - len(row)) + list(row) for row in encoded])
    return _Padded(ids, torch.tensor([length - len(row) for row in encoded]))


def _masked(hidden: Tensor) -> Tensor:
    """To be added to scores, (rows, 1, 1, keys)."""
    return torch.zeros_like(hidden, dtype=torch.float).masked_fill(hidden, -1e9)[:, None, None, :]


def _batch(
    model: Qwen3,
    prompts: _Padded,
    max_tokens: int,
    temperature: float,
    random: torch.Generator,
    end: int,
) -> list[list[int]]:
    """On a CPU: rows that ended leave the batch."""
    num_rows, length = prompts.ids.shape
    hidden, rows = prompts.hidden, torch.arange(num_rows)
    logits, cache = prompts.prefill(model)
    written: list[list[int]] = [[] for _ in range(num_rows)]
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
        positions = (length + step - prompts.pads[rows])[:, None]
        logits, cache = model(token[:, None], positions, _masked(hidden), cache)
    return written


def _draw(logits: Tensor, temperature: float, random: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=random)[:, 0]


def _kept(cache: Cache, going: Tensor) -> Cache:
    return cache if going.all() else [(k[going], v[going]) for k, v in cache]


@lru_cache(maxsize=32)
def _writer(model: Qwen3, num_rows: int, length: int, max_tokens: int, temperature: float) -> "_Writer":
    return _Writer(model, num_rows, length, max_tokens, temperature)


class _Writer:
    """On a GPU: a token of every row is one CUDA graph, on buffers that stay where they are; rows that ended stay too."""

    def __init__(self, model: Qwen3, num_rows: int, length: int, max_tokens: int, temperature: float) -> None:
        self._model, self._max_tokens, self._temperature = model, max_tokens, temperature
        shape = model.shape
        room = (num_rows, shape.num_key_value_heads, length + max_tokens, shape.head_dim)
        self._cache: Cache = [(torch.zeros(room), torch.zeros(room)) for _ in range(shape.num_hidden_layers)]
        self._mask = torch.zeros(num_rows, 1, 1, length + max_tokens)
        self._token = torch.zeros(num_rows, dtype=torch.long)
        self._positions = torch.zeros(num_rows, dtype=torch.long)
        self._step, self._place = torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
        self._noise = torch.ones(num_rows, shape.vocab_size)
        self._written = torch.zeros(num_rows, max_tokens + 1, dtype=torch.long)
        self._graph = self._captured() if self._mask.is_cuda else None

    def _captured(self) -> torch.cuda.CUDAGraph:
        stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._advance()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            self._advance()
        return graph

    def write(self, prompts: _Padded, random: torch.Generator, end: int) -> list[list[int]]:
        """Completions, each cut behind its end."""
        length = prompts.ids.shape[1]
        logits, cache = prompts.prefill(self._model)
        for (held_k, held_v), (k, v) in zip(self._cache, cache, strict=True):
            held_k[:, :, :length], held_v[:, :, :length] = k, v
        self._mask.fill_(-1e9)
        self._mask[..., :length] = _masked(prompts.hidden)
        self._positions.copy_(length - prompts.pads)
        self._place.fill_(length)
        self._step.fill_(0)
        self._noise.exponential_(generator=random)
        self._take(logits[:, -1])
        for step in range(1, self._max_tokens):
            if step % STEPS_BETWEEN_LOOKS == 0 and (self._written[:, :step] == end).any(1).all():
                break
            self._noise.exponential_(generator=random)
            if self._graph:
                self._graph.replay()
            else:
                self._advance()
        num_written = int(self._step)
        return [_cut(row, end) for row in self._written[:, :num_written].tolist()]

    def _advance(self) -> None:
        self._mask.index_fill_(3, self._place, 0.0)
        logits, _ = self._model(
            self._token[:, None], self._positions[:, None], self._mask, self._cache, self._place
        )
        self._positions.add_(1)
        self._place.add_(1)
        self._take(logits[:, -1])

    def _take(self, logits: Tensor) -> None:
        """Draw the next token of every row: the largest of probability over exponential noise is a draw from them."""
        if self._temperature:
            logits = (logits.float() / self._temperature).softmax(-1) / self._noise
        self._token.copy_(logits.argmax(-1))
        self._written.index_copy_(1, self._step, self._token[:, None])
        self._step.add_(1)


def _cut(row: list[int], end: int) -> list[int]:
    return row[: row.index(end) + 1] if end in row else row
