"""Drawing tokens: seeded, vectorised over rows, and the same for a row whatever the others are."""

import numpy as np

from configs.sampling import Sampling
from tasks.engines.protocol import EngineError

_UNSUPPORTED = ("presence_penalty", "repetition_penalty")


class Sampler:
    """The sampling settings of a fixed number of slots, and the uniform numbers each has left."""

    def __init__(self, num_slots: int) -> None:
        self._temperature = np.ones(num_slots, np.float32)
        self._top_k = np.zeros(num_slots, np.int64)
        self._top_p = np.ones(num_slots, np.float64)
        self._min_p = np.zeros(num_slots, np.float64)
        self._uniforms: list[np.ndarray] = [np.zeros(0)] * num_slots

    def seat(self, slot: int, sampling: Sampling, seed: int) -> None:
        """Give a slot to a new sequence: one Philox stream a seed, one uniform number a token."""
        self._temperature[slot] = sampling.temperature
        self._top_k[slot] = sampling.top_k or 0
        self._top_p[slot] = 1.0 if sampling.top_p is None else sampling.top_p
        self._min_p[slot] = sampling.min_p or 0.0
        self._uniforms[slot] = np.random.Generator(np.random.Philox(seed)).random(sampling.max_tokens)

    def draw(self, logits: np.ndarray, slots: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Tokens for the rows of `logits` (rows, vocab), which belong to `slots`, at their own steps.

        By inversion: the first token whose cumulative probability exceeds the row's uniform number.
        Temperature 0 is the arg max.
        """
        temperature = self._temperature[slots]
        is_greedy = temperature == 0
        scaled = logits.astype(np.float64) / np.where(is_greedy, 1, temperature)[:, None]
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        self._filter(weights, slots)
        sums = weights.cumsum(axis=1)
        uniforms = np.array([self._uniforms[s][t] for s, t in zip(slots, steps, strict=True)])
        drawn = (sums <= uniforms[:, None] * sums[:, -1:]).sum(axis=1)
        return np.where(is_greedy, logits.argmax(axis=1), np.minimum(drawn, logits.shape[1] - 1))

    def _filter(self, weights: np.ndarray, slots: np.ndarray) -> None:
        """Zero the weights that min_p, top_k and top_p (in this order) leave out, in place."""
        min_p, top_k, top_p = self._min_p[slots], self._top_k[slots], self._top_p[slots]
        if min_p.any():
            weights[weights < min_p[:, None] * weights.max(axis=1, keepdims=True)] = 0
        for row in np.flatnonzero((top_k > 0) | (top_p < 1)):
            order = np.argsort(-weights[row], kind="stable")
            if top_k[row]:
                weights[row, order[top_k[row] :]] = 0
            if top_p[row] < 1:
                ranked = weights[row, order]
                before = ranked.cumsum() - ranked
                weights[row, order[before >= top_p[row] * ranked.sum()]] = 0


def logprobs_of(logits: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Natural log-probabilities of one token per row of `logits` (rows, vocab), before temperature and filters."""
    exact = logits.astype(np.float64)
    most = exact.max(axis=1)
    return exact[np.arange(len(drawn)), drawn] - most - np.log(np.exp(exact - most[:, None]).sum(axis=1))


def refuse_unsupported(sampling: Sampling) -> None:
    """Raise EngineError for a setting that the embedded engine does not know."""
    for name in _UNSUPPORTED:
        if getattr(sampling, name) is not None:
            raise EngineError(f"sampling.{name} is set, which the onnx engine does not support; remove it.")
    if sampling.extra:
        names = ", ".join(sampling.extra)
        raise EngineError(f"sampling.extra holds {names}, which the onnx engine does not know; remove it.")
