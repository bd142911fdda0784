"""Limits per time that an address tells in its headers, or that the experiment sets, kept to before they are passed."""

import email.utils
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

LONGEST_WAIT_SECONDS = 600.0
_MINUTE_SECONDS = 60.0
_BURST_SECONDS = 6.0
"""What of a limit per minute may be used at once."""
_KINDS = ("requests", "tokens")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SAID_PART = re.compile(r"(\d{1,6}(?:\.\d{1,12})?)\s*(ms|mil|s|m|h)", re.IGNORECASE)
_SAID = re.compile(
    r"\b(?:retry|try again|wait)(?: (?:your request|again|in|after|for|about|at least))*:? "
    r"((?:\d{1,6}(?:\.\d{1,12})?\s*(?:ms|milliseconds?|s|sec(?:ond)?s?|m|min(?:ute)?s?|h|hours?)(?![a-z])\s*)+)",
    re.IGNORECASE,
)
"""Please try again in 1m2.5s; retry after 20 seconds."""
_FIRST_EPOCH_SECOND = 1_000_000_000
_FIRST_EPOCH_MILLISECOND = 1_000_000_000_000


@dataclass(slots=True)
class _Bucket:
    """A limit per minute that is refilled evenly; what is taken beyond it has to be waited for."""

    per_second: float
    level: float
    at: float = 0.0

    def left(self, now: float) -> float:
        """What may still be taken; below 0 where too much was."""
        most = _BURST_SECONDS * self.per_second
        self.level = min(most, self.level + self.per_second * max(0.0, now - self.at))
        self.at = now
        return self.level


class Limits:
    """One address's limits. Pure: told the time, in seconds of one clock, with each call."""

    def __init__(
        self, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        given = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        self._buckets = {
            kind: _Bucket(limit / 60, max(1.0, _BURST_SECONDS * limit / 60))
            for kind, limit in given.items()
            if limit
        }
        self._most: dict[str, float] = {}
        """What there is after a reset, as far as it was told."""
        self._left: dict[str, float] = {}
        self._resets_at: dict[str, float] = {}
        self._tokens_per_request = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        if not (self._buckets or self._left):
            return 0.0
        longest = 0.0
        for kind, bucket in self._buckets.items():
            needed = 1.0 if kind == "requests" else 0.0
            longest = max(longest, (needed - bucket.left(now)) / bucket.per_second)
        for kind in self._left:
            if now >= self._resets_at[kind]:
                self._left[kind], self._resets_at[kind] = self._most[kind], now + _MINUTE_SECONDS
            left = self._left[kind]
            needed = 1.0 if kind == "requests" else self._tokens_per_request
            if left < min(needed, self._most[kind]):
                longest = max(longest, self._resets_at[kind] - now)
        return min(longest, LONGEST_WAIT_SECONDS)

    def sent(self, now: float) -> None:
        """A request goes out."""
        if bucket := self._buckets.get("requests"):
            bucket.level = bucket.left(now) - 1
        if "requests" in self._left:
            self._left["requests"] -= 1
        if "tokens" in self._left:
            self._left["tokens"] -= self._tokens_per_request

    def answered(self, now: float, tokens: int) -> None:
        """A request has used so many tokens, prompt and completion."""
        if bucket := self._buckets.get("tokens"):
            bucket.level = bucket.left(now) - tokens
        self._tokens_per_request += 0.1 * (tokens - self._tokens_per_request)

    def told(self, now: float, headers: Mapping[str, str], num_later: int = 0) -> None:
        """Take in what a reply's headers say is left, and until when; later requests may be counted there or not."""
        if not _say_limits(tuple(headers)):
            return
        for kind in _KINDS:
            left, most, reset = _of_kind(headers, kind)
            seconds = seconds_of(reset)
            if left is None or seconds is None:
                continue
            uncounted = num_later * (1.0 if kind == "requests" else self._tokens_per_request)
            self._left[kind] = min(self._left.get(kind, left - uncounted), left)
            self._most[kind] = max(most or 0.0, self._most.get(kind, 0.0), left)
            self._resets_at[kind] = now + min(seconds, LONGEST_WAIT_SECONDS)


def seconds_of(told: str | None) -> float | None:
    """Seconds from now that a header means: a number, 6m0s, a date, or a moment since the epoch; None for all else."""
    if not told:
        return None
    text = told.strip().lower()
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        number = float(text)
    except ValueError:
        return _until_date(told)
    if not math.isfinite(number):
        return None
    if number >= _FIRST_EPOCH_SECOND:
        number = number / (1000 if number >= _FIRST_EPOCH_MILLISECOND else 1) - time.time()
    return max(0.0, number)


def wait_told(headers: Mapping[str, str], message: str) -> float | None:
    """Seconds that a refusal wants to be waited for, by its headers or else in its words; None where it does not say."""
    if (milliseconds := _number(headers.get("Retry-After-Ms"))) is not None:
        return max(0.0, milliseconds / 1000)
    told = seconds_of(headers.get("Retry-After"))
    said = _SAID.search(message) if told is None else None
    if said is None:
        return told
    parts = _SAID_PART.findall(said[1])
    return sum(
        float(number) * _UNITS["ms" if unit.lower() == "mil" else unit.lower()] for number, unit in parts
    )


@lru_cache(maxsize=256)  # an address sends the same headers with each reply
def _say_limits(names: tuple[str, ...]) -> bool:
    """Whether there is a header about limits among them."""
    return any("ratelimit" in name.lower() for name in names)


def _of_kind(headers: Mapping[str, str], kind: str) -> tuple[float | None, float | None, str | None]:
    """What is left, what there is at most, and when that is so again."""
    for remaining, limit, reset in _HEADERS[kind]:
        if (told := headers.get(remaining)) and (left := _number(told)) is not None:
            return left, _number(headers.get(limit)), headers.get(reset)
    return None, None, None


def _headers(kind: str) -> list[tuple[str, ...]]:
    forms = [f"x-ratelimit-{{}}-{kind}", f"anthropic-ratelimit-{kind}-{{}}"]
    if kind == "requests":
        forms += ["x-ratelimit-{}", "ratelimit-{}"]
    return [tuple(form.format(word) for word in ("remaining", "limit", "reset")) for form in forms]


_HEADERS = {kind: _headers(kind) for kind in _KINDS}
"""Of each kind of limit the headers that tell what is left, what there is at most, and when that is so again."""


def _number(told: str | None) -> float | None:
    try:
        number = float(told) if told else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _until_date(text: str) -> float | None:
    for read in (email.utils.parsedate_to_datetime, datetime.fromisoformat):
        try:
            return max(0.0, read(text).timestamp() - time.time())
        except (ValueError, OverflowError, TypeError):
            continue
    return None
