"""When a request may be sent to one address: its window, its limits per time, and the pauses that all take together.

A request that is turned away as one too many waits for a place among those that were taken on. Where none is taken
on any more, or the address says when to come back, everyone goes into one pause, which doubles while nothing is
answered; after it one request goes ahead, and once it is answered, or was not turned away for a second, twice as many
follow. So an endpoint that is limited per minute is asked a few times in that minute, however many wait, and none of
them is lost.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tasks.engines.openai.concurrency import Concurrency
from tasks.engines.openai.faults import TransientError
from tasks.engines.openai.limits import LONGEST_WAIT_SECONDS, Limits
from warehouse.failures import FailureCode

FIRST_PAUSE_SECONDS = 0.5
FIRST_PAUSE_ASKED_SECONDS = 0.05
"""The first pause where the endpoint says itself how long it wants to be left alone, which is taken at its word."""
LONGEST_PAUSE_SECONDS = 30.0
FIRST_VOLLEY = 16
FIRST_VOLLEY_SECONDS = 0.01
SHORTEST_VOLLEY_SECONDS = 0.002
VOLLEY_SHARE = 0.05
"""Of the time that an answer takes: so long after a volley follows the next."""
MOST_WARNED = 3
"""Refusals, each of something that was sent after the one before, for which less is sent; after them follows a pause. One or
two mean nothing more than that the address has a place less than was counted."""
SETTLED_SECONDS = 1.0
"""An address that turns requests away does so at once: what was not turned away for so long has been taken on."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave to send one request."""

    series: int
    """How many refusals there had been: what was sent before the latest says nothing of what is so after it."""
    units: int
    """Sequences that it asks for."""
    at: float
    """When it was given, by the loop's clock."""
    number: int
    """So many had been given by then."""


class Pace:
    """One address's window, limits and pauses. One event loop's; not thread-safe."""

    def __init__(self, patience_seconds: float, concurrency: Concurrency, limits: Limits) -> None:
        self.concurrency, self.limits = concurrency, limits
        self.num_turned_away = 0
        self._patience = patience_seconds
        self._waiting: deque[tuple[int, asyncio.Future[Turn]]] = deque()
        self._in_flight = self._num_sent = 0
        self._series = self._in_series = 0
        self._most_in_series = math.inf
        """Most of what was sent since the latest refusal may be in flight; infinite once the address is trusted again."""
        self._proven = float(concurrency.window if concurrency.is_fixed else FIRST_VOLLEY)
        """Most in flight that was not refused; what is beyond it goes out in small volleys, so that few are refused."""
        self._fastest = FIRST_VOLLEY_SECONDS / VOLLEY_SHARE
        """Seconds of the fastest answer."""
        self._is_timed = False
        self._volley: asyncio.TimerHandle | None = None
        self._num_warned = 0
        """Refusals in a row that were answered by sending less alone."""
        self._pause = 0.0
        self._resumes_at = 0.0
        self._gives_up_at = math.inf
        self._said = ""
        self._timer: asyncio.TimerHandle | None = None

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop, which is the running one; asking for that takes a system call each time."""
        return asyncio.get_running_loop()

    def _now(self) -> float:
        """The loop's clock, by which its timers go off."""
        return self._loop.time()

    @property
    def in_flight(self) -> int:
        """Sequences asked for and not yet answered."""
        return self._in_flight

    @property
    def is_paused(self) -> bool:
        """Whether a request would have to wait."""
        return self._seconds_left() > 0 or not self._has_room(1)

    async def acquire(self, units: int = 1) -> Turn:
        """Wait until a request may be sent. Raises TransientError where no answer came for too long."""
        if self._waiting or not self._has_room(units) or self._seconds_left() > 0:
            now = self._now()
            if now < self._resumes_at and now >= self._gives_up_at:
                raise self._given_up()
            given: asyncio.Future[Turn] = self._loop.create_future()
            self._waiting.append((units, given))
            self._admit()
            try:
                return await given
            except asyncio.CancelledError:
                if given.done() and not given.cancelled() and given.exception() is None:
                    self.release(given.result())
                raise
        return self._take(units)

    def release(self, turn: Turn) -> None:
        """The request is over."""
        self._in_flight -= turn.units
        if turn.series == self._series:
            self._in_series -= turn.units
        self._admit()

    def told(self, turn: Turn, headers: Mapping[str, str]) -> None:
        """What a reply's headers say of limits."""
        self.limits.told(self._now(), headers, self._num_sent - turn.number)

    def answered(self, turn: Turn, num_tokens: int = 0, num_prompt_tokens: int = 0) -> None:
        """The request was answered: more may follow."""
        now = self._now()
        self._gives_up_at = math.inf
        self._fastest = min(self._fastest, now - turn.at) if self._is_timed else now - turn.at
        self._is_timed = True
        self.limits.answered(now, num_tokens + num_prompt_tokens)
        self.concurrency.answered(now, turn.units, num_tokens or turn.units, self._in_flight)
        if turn.series == self._series:
            self._pause, self._num_warned = 0.0, 0
            self._trust()

    def limited(self, turn: Turn, error: TransientError) -> None:
        """The request was turned away. Marks the error, also where no answer came for too long."""
        now, asked = self._now(), min(error.retry_after or 0.0, LONGEST_WAIT_SECONDS)
        self._said, error.is_paced = error.message, True
        self.num_turned_away += 1
        if self._gives_up_at == math.inf:
            self._gives_up_at = now + max(self._patience, 2 * asked)
        self._stop_volleys()
        others, is_rate = self._in_flight - turn.units, error.retry_after is not None
        is_new, is_again = turn.series == self._series, self._pause > 0
        if (others or not is_again) and (is_new or not is_rate):
            self.concurrency.turned_away(now, others, is_rate=is_rate, is_first=is_new and not is_again)
        if is_new:
            self._series, self._in_series = self._series + 1, 0
        is_warned_again = is_new and (is_rate or self._num_warned >= MOST_WARNED or not others)
        if is_warned_again or not (others or is_again):
            self._take_a_pause(now, asked, is_rate=is_rate)
            if not (others or is_again or is_rate):
                self.concurrency.none_accepted(now)
        else:  # what was sent right behind it is turned away as well, which is heard within as long as this took
            on_way = min(now - turn.at, FIRST_PAUSE_SECONDS)
            self._resumes_at = max(self._resumes_at, now + max(asked, on_way))
        self._num_warned += is_new
        if now >= self._gives_up_at:
            error.is_given_up = True
            for _, waiting in self._waiting:
                if not waiting.done():
                    waiting.set_exception(self._given_up())
            self._waiting.clear()
        self._admit_later(self._resumes_at - now)

    def _take_a_pause(self, now: float, asked: float, *, is_rate: bool) -> None:
        first = FIRST_PAUSE_ASKED_SECONDS if is_rate else FIRST_PAUSE_SECONDS
        self._pause = min(max(first, 2 * self._pause), LONGEST_PAUSE_SECONDS)
        self._resumes_at = now + max(self._pause * random.uniform(1.0, 1.5), asked)  # noqa: S311 - not a secret
        self._most_in_series = 1

    def _take(self, units: int) -> Turn:
        self._num_sent += 1
        self._in_flight += units
        self._in_series += units
        now = self._now()
        self.limits.sent(now)
        if self._most_in_series < math.inf:
            self._loop.call_later(SETTLED_SECONDS, self._settled, self._series)
        return Turn(self._series, units, now, self._num_sent)

    def _settled(self, series: int) -> None:
        """A request was not turned away for a while."""
        if series == self._series and self._most_in_series < math.inf:
            self._trust()
            self._admit()

    def _trust(self) -> None:
        if self._most_in_series < math.inf:
            self._most_in_series *= 2
            if self._most_in_series >= self.concurrency.window:
                self._most_in_series = math.inf

    def _has_room(self, units: int) -> bool:
        """Whether so many sequences fit in; a request for more than the window waits until it is alone."""
        if self._in_flight + units > self._proven and self._in_flight and not self._volley:
            self._next_volley()
        most = min(self.concurrency.window, self._proven)
        is_allowed = self._in_flight + units <= most or not self._in_flight
        return is_allowed and (self._in_series + units <= self._most_in_series or not self._in_series)

    def _next_volley(self) -> None:
        """Let a few more out once those before them would have been refused."""
        seconds = min(max(VOLLEY_SHARE * self._fastest, SHORTEST_VOLLEY_SECONDS), SETTLED_SECONDS)
        self._volley = self._loop.call_later(seconds, self._volley_over)

    def _volley_over(self) -> None:
        self._volley = None
        self._proven = min(self._proven * 1.125 + FIRST_VOLLEY / 2, self.concurrency.window)
        self._admit()

    def _stop_volleys(self) -> None:
        if self._volley:
            self._volley.cancel()
            self._volley = None

    def _seconds_left(self) -> float:
        now = self._now()
        return max(self._resumes_at - now, self.limits.wait(now))

    def _given_up(self) -> TransientError:
        return TransientError(FailureCode.RATE_LIMITED, self._said, is_given_up=True)

    def _admit(self) -> None:
        while self._waiting:
            units, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
                continue
            if not self._has_room(units):
                return
            left = self._seconds_left()
            if left > 0:
                self._admit_later(left)
                return
            self._waiting.popleft()
            turn.set_result(self._take(units))

    def _admit_later(self, seconds: float) -> None:
        """Look again then, once: a timer may fire a little early, and looks again in its turn."""
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, seconds) + 0.001, self._admit)
