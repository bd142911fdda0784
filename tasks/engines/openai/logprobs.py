"""What a reply's log-probabilities come to: one number each of a completion, where every token has its own."""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from warehouse.storable import finite_number


class Sureness(NamedTuple):
    """How sure the model was of a completion; None where the server did not say it of each token."""

    mean_logprob: float | None
    group_confidence: float | None


UNKNOWN = Sureness(None, None)


def sureness_of(logprobs: object) -> Sureness:
    """By the `logprobs` of a choice, of which `content` has an object for each token."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    if not isinstance(tokens, list) or not tokens:
        return UNKNOWN
    values = _of_each(cast("list[object]", tokens))
    return Sureness(sum(values) / len(values) if values else None, _confidence(cast("list[object]", tokens)))


def token_confidence(token: object) -> float | None:
    """Negative mean log-probability of the likeliest tokens (`top_logprobs`) at a token's place; None where not given."""
    likeliest = token.get("top_logprobs") if isinstance(token, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    if not isinstance(likeliest, list) or not likeliest:
        return None
    values = _of_each(cast("list[object]", likeliest))
    return -sum(values) / len(values) if values else None


def _confidence(tokens: list[object]) -> float | None:
    if token_confidence(tokens[0]) is None:
        return None
    from tasks.engines.confidence import group_confidence  # noqa: PLC0415 - numpy, for those alone who ask for it

    return group_confidence(_all_of(map(token_confidence, tokens)))


def _of_each(tokens: list[object]) -> list[float]:
    """The tokens' log-probabilities where each has one, else none."""
    return _all_of(
        cast("dict[str, Any]", token).get("logprob") if isinstance(token, dict) else None for token in tokens
    )


def _all_of(values: Iterable[object]) -> list[float]:
    """The numbers where all are finite, else none."""
    found = list[float]()
    for value in values:
        number = finite_number(value)
        if number is None:
            return []
        found.append(number)
    return found
