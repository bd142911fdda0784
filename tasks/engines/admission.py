"""Who may send next: an engine's concurrency, shared by all shards that are under way.

Earlier shards go first, so that the first one finishes (and can be synthesized from) while later
ones fill what it leaves free. One event loop's; not thread-safe.
"""

import asyncio
import heapq
import itertools
from functools import cached_property


class Admission:
    """At most `capacity` units at once, which may change; by rank, then first come first served."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._held = capacity, 0
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()
        self._is_admitting = False

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop, which is the running one; asking for that takes a system call each time."""
        return asyncio.get_running_loop()

    async def acquire(self, units: int, rank: int) -> None:
        """Wait for `units` of the capacity; a wish larger than the capacity takes all of it."""
        if not self._waiting and self._has_room(units):
            self._held += units
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), units, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(units)
            else:
                self._admit_soon()
            raise

    def resize(self, capacity: int) -> None:
        """So many units from now on; where more are held, nobody is let in until enough are given back."""
        if capacity != self._capacity:
            self._capacity = capacity
            self._admit_soon()

    def release(self, units: int) -> None:
        """Give back what `acquire` took."""
        self._held -= units
        self._admit_soon()

    def _has_room(self, units: int) -> bool:
        return self._held + units <= self._capacity or not self._held

    def _admit_soon(self) -> None:
        """Admit one waiter a turn of the loop: whoever was let in can ask again before the next is chosen."""
        if self._waiting and not self._is_admitting:
            self._is_admitting = True
            self._loop.call_soon(self._admit)

    def _admit(self) -> None:
        self._is_admitting = False
        while self._waiting:
            _, _, units, turn = self._waiting[0]
            if not turn.done():
                if not self._has_room(units):
                    return
                heapq.heappop(self._waiting)
                self._held += units
                turn.set_result(None)
                break
            heapq.heappop(self._waiting)
        self._admit_soon()
