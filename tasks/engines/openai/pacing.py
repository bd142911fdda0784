"""The pause that all requests to one address take together where it says that they are too many.

A request that is turned away sends everyone into one pause, which doubles while nothing is answered; after it
one request goes ahead, and once it is answered half as many as before follow, then more. So an endpoint that is
limited per minute is asked a few times in that minute, however many wait, and none of them is lost.
"""

import asyncio
import math
import random
import time
from collections import deque
from dataclasses import dataclass

from tasks.engines.openai.faults import TransientError
from warehouse.failures import FailureCode

FIRST_PAUSE_SECONDS = 0.5
FIRST_PAUSE_ASKED_SECONDS = 0.05
"""The first pause where the endpoint says itself how long it wants to be left alone, which is taken at its word."""
LONGEST_PAUSE_SECONDS = 30.0
LONGEST_ASKED_SECONDS = 600.0
"""The longest Retry-After that is waited for."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave to send one request."""

    series: int
    """How many pauses there had been: what was sent before the latest says nothing of what is so after it."""


class Pace:
    """One address's pauses. One event loop's; not thread-safe."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._series = self._in_flight = 0
        self._window = math.inf
        """Most requests in flight that were sent since the latest pause."""
        self._ceiling = 1.0
        """The window once the request that goes ahead is answered."""
        self._pause = 0.0
        self._resumes_at = 0.0
        self._gives_up_at = math.inf
        self._said = ""

    @property
    def is_paused(self) -> bool:
        """Whether a request would have to wait."""
        return time.monotonic() < self._resumes_at or self._in_flight >= self._window

    async def acquire(self) -> Turn:
        """Wait until a request may be sent. Raises TransientError where no answer came for too long."""
        if self._waiting or self.is_paused:
            if time.monotonic() < self._resumes_at and time.monotonic() >= self._gives_up_at:
                raise self._given_up()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    self.release(Turn(self._series))
                raise
        else:
            self._in_flight += 1
        return Turn(self._series)

    def release(self, turn: Turn) -> None:
        """The request is over."""
        if turn.series == self._series:
            self._in_flight -= 1
            self._admit()

    def answered(self, turn: Turn) -> None:
        """The request was answered: more may follow."""
        self._gives_up_at = math.inf
        if turn.series == self._series and self._window < math.inf:
            self._window = self._ceiling if self._pause else self._window + 0.25
            self._pause = 0.0

    def limited(self, turn: Turn, error: TransientError) -> None:
        """The request was turned away: all pause. Marks the error, also where no answer came for too long."""
        now, asked = time.monotonic(), min(error.retry_after or 0.0, LONGEST_ASKED_SECONDS)
        self._said, error.is_paced = error.message, True
        if self._gives_up_at == math.inf:
            self._gives_up_at = now + max(self._patience, 2 * asked)
        if turn.series == self._series:
            if not self._pause:
                self._ceiling = max(1.0, self._in_flight / 2)
            first = FIRST_PAUSE_SECONDS if error.retry_after is None else FIRST_PAUSE_ASKED_SECONDS
            self._pause = min(max(first, 2 * self._pause), LONGEST_PAUSE_SECONDS)
            self._resumes_at = now + max(self._pause * random.uniform(1.0, 1.5), asked)  # noqa: S311 - not a secret
            self._series, self._in_flight, self._window = self._series + 1, 0, 1.0
        else:
            self._resumes_at = max(self._resumes_at, now + asked)
        if now >= self._gives_up_at:
            error.is_given_up = True
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_exception(self._given_up())
            self._waiting.clear()
        asyncio.get_running_loop().call_later(self._resumes_at - now, self._admit)

    def _given_up(self) -> TransientError:
        return TransientError(FailureCode.RATE_LIMITED, self._said, is_given_up=True)

    def _admit(self) -> None:
        while self._waiting and not self.is_paused:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)
        left = self._resumes_at - time.monotonic()
        if self._waiting and left > 0:  # a timer may fire a little early
            asyncio.get_running_loop().call_later(left + 0.001, self._admit)
