"""How sure a model was in the weakest part of its answer: the group confidence of DeepConf (arXiv 2508.15260, section 3.1).

The confidence of a token is the negative mean log-probability of the k likeliest tokens at its place, so a peaked
distribution has a high one. A group is a window of neighbouring tokens, and its confidence their mean. A trace is judged by
its weakest groups: the mean of the lowest tenth of them.
"""

from collections.abc import Sequence

import numpy as np

WINDOW = 2048
"""Tokens of a group, as in the paper's experiments."""
_WEAKEST = 0.1
"""Share of the groups whose mean it is."""


def group_confidence(confidences: Sequence[float], window: int = WINDOW) -> float | None:
    """Bottom-10 % group confidence of a trace by its tokens' confidences; None without tokens.

    One group ends at each token from the first whole window on; a trace shorter than that is one group.
    """
    values = np.asarray(confidences, np.float64)
    if not values.size or not np.isfinite(values).all():
        return None
    size = min(window, values.size)
    sums = np.concatenate([[0.0], values.cumsum()])
    groups = np.sort((sums[size:] - sums[:-size]) / size)
    return float(groups[: max(1, int(groups.size * _WEAKEST))].mean())


def confidences_of(logits: np.ndarray, k: int) -> np.ndarray:
    """Token confidences of `logits` (rows, vocab): the negative mean of the k highest log-probabilities of each row."""
    exact = logits.astype(np.float64)
    likeliest = np.partition(exact, -min(k, exact.shape[1]), axis=1)[:, -k:]
    most = exact.max(axis=1)
    return most + np.log(np.exp(exact - most[:, None]).sum(axis=1)) - likeliest.mean(axis=1)
