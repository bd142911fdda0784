"""How many requests are sent again: never more than were answered, beyond a first few.

Each request is tried again a few times by its own right (`retries`). Where an endpoint answers nothing at all, that
would multiply everything that is sent to it by as much. So all requests to it share what there is to send again:
`FREE` to begin with and one more for each answer; else one goes each second, and all are given up together where
nothing was answered for `patience_seconds`.
"""

import asyncio
import time

from tasks.engines.openai.faults import TransientError

FREE = 64
SECONDS_BETWEEN = 1.0


class Resends:
    """One engine's share of requests that are sent again. One event loop's; not thread-safe."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds
        self._left = FREE
        self._next_at = 0.0
        self._dry_since = 0.0
        """When there was nothing left to send again with and nothing has been answered since; 0: that is not so."""

    def answered(self) -> None:
        """A request was answered."""
        self._left = min(self._left + 1, 1_000_000)
        self._dry_since = 0.0

    async def acquire(self, error: TransientError) -> None:
        """Wait until a request may be sent again. Raises what it failed with where that is not worth it any more."""
        now = time.monotonic()
        if self._left > 0:
            self._left -= 1
            return
        self._dry_since = self._dry_since or now
        if now - self._dry_since >= self._patience:
            error.is_given_up = True
            raise error
        self._next_at = max(now, self._next_at) + SECONDS_BETWEEN
        until = min(self._next_at, self._dry_since + self._patience)
        await asyncio.sleep(until - now)
        if self._left > 0:
            self._left -= 1
        elif self._dry_since and time.monotonic() - self._dry_since >= self._patience:
            error.is_given_up = True
            raise error
