"""When a request is tried again and how long is waited before, as tenacity's strategies."""

import time
from typing import cast

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_any,
    wait_random_exponential,
)
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from configs.engines import OpenAISettings
from tasks.engines.openai.faults import TransientError
from tasks.engines.openai.replicas import Replicas
from tasks.progress import PROGRESS
from warehouse.failures import FailureCode

MAX_WAIT_SECONDS = 30.0
MAX_WAIT_UNREACHABLE_SECONDS = 2.0
MAX_WAIT_ELSEWHERE_SECONDS = 0.2
MAX_PAID_RETRIES = 2
MAX_LATE_RETRIES = 1
MAX_TURNED_AWAY = 12
TELL_SECONDS = 10.0


def retrying(settings: OpenAISettings, replicas: Replicas) -> AsyncRetrying:
    """For one request: a TransientError is tried again, and the last one raised where it is given up."""
    return AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_any(StopAfterFailures(settings.retries), StopWhenAway(replicas, settings.patience_seconds)),
        wait=WaitAsItFailed(),
        reraise=True,
        before_sleep=TellWaiting(replicas, settings.patience_seconds),
    )


class StopAfterFailures(stop_base):
    """After more than `retries` failed tries of one request.

    Refused connections and requests turned away as too many are not counted: they are waited for by all together,
    up to `patience_seconds`. But one that is turned away again and again while others are answered is too big.
    A reply that is not an answer has been paid for, and so has a stream that broke off: it is asked for again twice
    at most. One of which nothing came in time would hardly come in time the next time: it is asked for again once.
    """

    def __init__(self, retries: int) -> None:
        self._left, self._left_turned_away = retries, MAX_TURNED_AWAY
        self._left_paid, self._left_late = min(retries, MAX_PAID_RETRIES), min(retries, MAX_LATE_RETRIES)

    def __call__(self, retry_state: RetryCallState) -> bool:
        """Whether this failure is one too many; counts it."""
        error = _error(retry_state)
        is_turned_away = error.is_paced and error.code == FailureCode.RATE_LIMITED
        self._left_turned_away -= is_turned_away
        self._left -= error.code != FailureCode.UNREACHABLE and not is_turned_away
        self._left_paid -= error.is_paid or error.code == FailureCode.BAD_REPLY
        self._left_late -= error.code == FailureCode.TIMEOUT and not error.is_paid
        left = min(self._left, self._left_paid, self._left_late, self._left_turned_away)
        return error.is_given_up or left < 0


class StopWhenAway(stop_base):
    """Where connections are refused and no replica has answered anything for so many seconds."""

    def __init__(self, replicas: Replicas, patience_seconds: float) -> None:
        self._replicas, self._seconds = replicas, patience_seconds

    def __call__(self, retry_state: RetryCallState) -> bool:
        """Whether they are given up."""
        is_away = _error(retry_state).code == FailureCode.UNREACHABLE
        return is_away and time.monotonic() - self._replicas.last_alive >= self._seconds


class WaitAsItFailed(wait_base):
    """Exponential with full jitter; hardly at all where another replica can be asked, or all pause together (`Pace`)."""

    _jittered = wait_random_exponential(multiplier=0.5, max=MAX_WAIT_SECONDS)

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds until the next try."""
        error, seconds = _error(retry_state), self._jittered(retry_state)
        if error.is_paced:
            return 0.0
        if error.is_passed_on:
            return min(seconds, MAX_WAIT_ELSEWHERE_SECONDS)
        if error.code == FailureCode.UNREACHABLE:
            return min(seconds, MAX_WAIT_UNREACHABLE_SECONDS)
        return seconds


class TellWaiting:
    """Counts what is sent again, and says at once, then every ten seconds, that an endpoint is away."""

    def __init__(self, replicas: Replicas, patience_seconds: float) -> None:
        self._replicas, self._patience = replicas, patience_seconds

    def __call__(self, retry_state: RetryCallState) -> None:
        """Called before the pause."""
        PROGRESS.sent_again()
        if _error(retry_state).code == FailureCode.UNREACHABLE:
            now = time.monotonic()
            if now - self._replicas.told_at >= TELL_SECONDS:
                self._replicas.told_at = now
                PROGRESS.say(
                    f"waiting for {self._replicas.name} since {now - self._replicas.last_alive:.0f} s, "
                    f"up to {self._patience:.0f} s"
                )


def _error(state: RetryCallState) -> TransientError:
    """What the latest try failed with; tenacity asks the strategies above after failures alone."""
    assert state.outcome  # noqa: S101 - there has been a try
    return cast("TransientError", state.outcome.exception())
