"""Sampling from a model in torch, in batches with a key-value cache; used only while training."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from tasks.research.training.model import Cache, Qwen3
from tasks.research.training.tokenizer import END, PAD, chat

BATCH_SIZE = {"cpu": 256, "cuda": 1024}
"""Prompts in a batch."""

STEPS_BETWEEN_END_CHECKS = 16
"""On a GPU: tokens between two checks of whether all rows have ended."""
PROMPT_MULTIPLE = 32
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
    """One completion per prompt, as token ids that include the end token if it was generated; temperature 0 is greedy.

    Prompts of similar length are batched together.
    """
    device = torch.get_default_device()
    random = torch.Generator(device).manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    drawn: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), BATCH_SIZE[device.type]):
        indices = order[start : start + BATCH_SIZE[device.type]]
        encoded = [e.ids for e in tokenizer.encode_batch_fast([chat(prompts[index]) for index in indices])]
        end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
        if device.type == "cuda":
            length = -(-max(map(len, encoded)) // PROMPT_MULTIPLE) * PROMPT_MULTIPLE
            writer = _graph_sampler(model, len(encoded), length, max_tokens, temperature)
            batch = writer.generate(_padded(encoded, length, pad), random, end)
        else:
            batch = _batch(
                model, _padded(encoded, max(map(len, encoded)), pad), max_tokens, temperature, random, end
            )
        for index, ids in zip(indices, batch, strict=True):
            drawn[index] = ids
    return drawn


def decode(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of a completion, without its end token."""
    end = tokenizer.token_to_id(END)
    return tokenizer.decode([token for token in ids if token != end], skip_special_tokens=False)


class _PaddedPrompts(NamedTuple):
    """Prompts padded on the left, so that all rows write at the same position."""

    ids: Tensor
    pads: Tensor
    """The padding of each row, (rows)."""

    @property
    def hidden(self) -> Tensor:
        """Which positions are padding, (rows, length)."""
        return torch.arange(self.ids.shape[1])[None, :] < self.pads[:, None]

    def prefill(self, model: Qwen3) -> tuple[Tensor, Cache]:
        """Logits and the keys and values of the prompts."""
        length = self.ids.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)[None, None] + _masked(self.hidden)
        positions = (torch.arange(length)[None] - self.pads[:, None]).clamp(min=0)
        return model(self.ids, positions, mask)


def _padded(encoded: Sequence[Sequence[int]], length: int, pad: int) -> _PaddedPrompts:
    ids = torch.tensor([[pad] * (length - len(row)) + list(row) for row in encoded])
    return _PaddedPrompts(ids, torch.tensor([length - len(row) for row in encoded]))


def _masked(hidden: Tensor) -> Tensor:
    """To be added to scores, (rows, 1, 1, keys)."""
    return torch.zeros_like(hidden, dtype=torch.float).masked_fill(hidden, -1e9)[:, None, None, :]


def _batch(
    model: Qwen3,
    prompts: _PaddedPrompts,
    max_tokens: int,
    temperature: float,
    random: torch.Generator,
    end: int,
) -> list[list[int]]:
    """On a CPU: rows leave the batch when they end."""
    num_rows, length = prompts.ids.shape
    hidden, rows = prompts.hidden, torch.arange(num_rows)
    logits, cache = prompts.prefill(model)
    written: list[list[int]] = [[] for _ in range(num_rows)]
    for step in range(max_tokens):
        token = _draw(logits[:, -1].float(), temperature, random)
        for row, value in zip(rows.tolist(), token.tolist(), strict=True):
            written[row].append(value)
        is_open = token != end
        if not is_open.any():
            break
        rows, token, hidden = rows[is_open], token[is_open], hidden[is_open]
        cache = _open_rows(cache, is_open)
        hidden = torch.cat((hidden, torch.zeros(len(rows), 1, dtype=torch.bool)), 1)
        positions = (length + step - prompts.pads[rows])[:, None]
        logits, cache = model(token[:, None], positions, _masked(hidden), cache)
    return written


def _draw(logits: Tensor, temperature: float, random: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=random)[:, 0]


def _open_rows(cache: Cache, is_open: Tensor) -> Cache:
    return cache if is_open.all() else [(k[is_open], v[is_open]) for k, v in cache]


@lru_cache(maxsize=32)
def _graph_sampler(
    model: Qwen3, num_rows: int, length: int, max_tokens: int, temperature: float
) -> "_GraphSampler":
    return _GraphSampler(model, num_rows, length, max_tokens, temperature)


class _GraphSampler:
    """On a GPU: one CUDA graph samples a token of every row, in static buffers; rows stay in the batch after their end."""

    def __init__(self, model: Qwen3, num_rows: int, length: int, max_tokens: int, temperature: float) -> None:
        self._model, self._max_tokens, self._temperature = model, max_tokens, temperature
        shape = model.shape
        cache_shape = (num_rows, shape.num_key_value_heads, length + max_tokens, shape.head_dim)
        self._cache: Cache = [
            (torch.zeros(cache_shape), torch.zeros(cache_shape)) for _ in range(shape.num_hidden_layers)
        ]
        self._mask = torch.zeros(num_rows, 1, 1, length + max_tokens)
        self._token = torch.zeros(num_rows, dtype=torch.long)
        self._positions = torch.zeros(num_rows, dtype=torch.long)
        self._step, self._write_index = torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
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

    def generate(self, prompts: _PaddedPrompts, random: torch.Generator, end: int) -> list[list[int]]:
        """Completions, each cut after its end token."""
        length = prompts.ids.shape[1]
        logits, cache = prompts.prefill(self._model)
        for (buffer_k, buffer_v), (k, v) in zip(self._cache, cache, strict=True):
            buffer_k[:, :, :length], buffer_v[:, :, :length] = k, v
        self._mask.fill_(-1e9)
        self._mask[..., :length] = _masked(prompts.hidden)
        self._positions.copy_(length - prompts.pads)
        self._write_index.fill_(length)
        self._step.fill_(0)
        self._noise.exponential_(generator=random)
        self._draw_tokens(logits[:, -1])
        for step in range(1, self._max_tokens):
            if step % STEPS_BETWEEN_END_CHECKS == 0 and (self._written[:, :step] == end).any(1).all():
                break
            self._noise.exponential_(generator=random)
            if self._graph:
                self._graph.replay()
            else:
                self._advance()
        num_written = int(self._step)
        return [_cut(row, end) for row in self._written[:, :num_written].tolist()]

    def _advance(self) -> None:
        self._mask.index_fill_(3, self._write_index, 0.0)
        logits, _ = self._model(
            self._token[:, None], self._positions[:, None], self._mask, self._cache, self._write_index
        )
        self._positions.add_(1)
        self._write_index.add_(1)
        self._draw_tokens(logits[:, -1])

    def _draw_tokens(self, logits: Tensor) -> None:
        """Draw the next token of every row: the argmax of probability ÷ exponential noise is a sample of the distribution."""
        if self._temperature:
            logits = (logits.float() / self._temperature).softmax(-1) / self._noise
        self._token.copy_(logits.argmax(-1))
        self._written.index_copy_(1, self._step, self._token[:, None])
        self._step.add_(1)


def _cut(row: list[int], end: int) -> list[int]:
    return row[: row.index(end) + 1] if end in row else row
