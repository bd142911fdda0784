"""A decoder graph with a fixed number of slots, each holding one sequence's key-value cache.

The graph is the one `tasks.research.training.onnx_export` describes. The cache is numpy memory that onnxruntime
reads and writes in place; decoding always runs over all slots, so that the arithmetic of a row
never depends on how many others are busy.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import orjson

MIN_ROWS = 4
"""Rows a prefill is padded to: with a single row another matrix kernel with other rounding is used."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What of config.json decides the cache's shape."""

    num_layers: int
    num_groups: int
    head_dim: int
    max_positions: int
    vocab_size: int

    @classmethod
    def read(cls, folder: Path) -> "Geometry":
        """From the checkpoint's config.json."""
        config = orjson.loads((folder / "config.json").read_bytes())
        return cls(
            config["num_hidden_layers"],
            config["num_key_value_heads"],
            config["head_dim"],
            config["max_position_embeddings"],
            config["vocab_size"],
        )


class Decoder:
    """Slots 0 … num_slots-1; not thread-safe, one thread drives it."""

    def __init__(self, folder: Path, num_slots: int, num_threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.geometry = g = Geometry.read(folder)
        self._session = ort.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        shape = (num_slots, g.num_groups, g.max_positions, g.head_dim)
        self._caches = {name: np.zeros(shape, np.float32) for name in self._cache_names()}
        self._ids = np.zeros((num_slots, 1), np.int64)
        self._last = np.zeros((num_slots, 1), np.int64)
        self._seqlens = np.zeros(num_slots, np.int32)
        self._total = np.zeros((), np.int32)
        self._logits = np.zeros((num_slots, g.vocab_size), np.float32)
        self._decoding = self._bound(self._caches, self._ids, self._last, self._seqlens, self._logits)

    def prefill(self, prompts: list[list[int]], slots: list[list[int]]) -> np.ndarray:
        """Read prompts, each into one slot or more, and return each prompt's logits (prompts, vocab)."""
        g = self.geometry
        rows, length = max(len(prompts), MIN_ROWS), max(map(len, prompts))
        ids = np.zeros((rows, length), np.int64)
        lengths = np.ones(rows, np.int64)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = prompt
            lengths[row] = len(prompt)
        shape = (rows, g.num_groups, length, g.head_dim)
        caches = {name: np.zeros(shape, np.float32) for name in self._cache_names()}
        logits = np.zeros((rows, g.vocab_size), np.float32)
        self._total[...] = length
        # named, since the binding knows their memory only by its address
        last, seqlens = (lengths - 1)[:, None], (lengths - 1).astype(np.int32)
        self._session.run_with_iobinding(self._bound(caches, ids, last, seqlens, logits))
        for name, filled in caches.items():
            for row, (prompt, places) in enumerate(zip(prompts, slots, strict=True)):
                self._caches[name][places, :, : len(prompt)] = filled[row, :, : len(prompt)]
        return logits[: len(prompts)]

    def decode(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """One more token for every slot: `tokens` (slots) go to the places `lengths` (slots).

        Returns logits (slots, vocab), valid until the next call. Idle slots take length 0.
        """
        self._ids[:, 0] = tokens
        self._seqlens[:] = lengths
        self._total[...] = lengths.max() + 1
        self._session.run_with_iobinding(self._decoding)
        return self._logits

    def _cache_names(self) -> list[str]:
        return [f"{part}_{i}" for i in range(self.geometry.num_layers) for part in ("key", "value")]

    def _bound(
        self,
        caches: dict[str, np.ndarray],
        ids: np.ndarray,
        last: np.ndarray,
        seqlens: np.ndarray,
        logits: np.ndarray,
    ) -> ort.IOBinding:
        """Bind the arrays' own memory; the binding must not outlive them."""
        binding = self._session.io_binding()
        inputs = {"input_ids": ids, "last_index": last, "seqlens_k": seqlens, "total_length": self._total}
        inputs |= {f"past_{name}": array for name, array in caches.items()}
        outputs = {"logits": logits} | {f"present_{name}": array for name, array in caches.items()}
        for bind, arrays in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, array in arrays.items():
                bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return binding
