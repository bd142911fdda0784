"""Who may send next: an engine's concurrency, shared by all shards that are under way.

Earlier shards go first, so that the first one finishes (and can be synthesized from) while later
ones fill what it leaves free. One event loop's; not thread-safe.
"""

import asyncio
import heapq
import itertools


class Admission:
    """At most `capacity` units at once; by rank, then first come first served."""

    def __init__(self, capacity: int) -> None:
        self._capacity = self._free = capacity
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()
        self._is_admitting = False

    async def acquire(self, units: int, rank: int) -> None:
        """Wait for `units` of the capacity; a wish larger than the capacity takes all of it."""
        units = min(units, self._capacity)
        if not self._waiting and units <= self._free:
            self._free -= units
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), units, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(units)
            else:
                self._admit_soon()
            raise

    def release(self, units: int) -> None:
        """Give back what `acquire` took."""
        self._free += min(units, self._capacity)
        self._admit_soon()

    def _admit_soon(self) -> None:
        """Admit one waiter a turn of the loop: whoever was let in can ask again before the next is chosen."""
        if self._waiting and not self._is_admitting:
            self._is_admitting = True
            asyncio.get_running_loop().call_soon(self._admit)

    def _admit(self) -> None:
        self._is_admitting = False
        while self._waiting:
            _, _, units, turn = self._waiting[0]
            if not turn.done():
                if units > self._free:
                    return
                heapq.heappop(self._waiting)
                self._free -= units
                turn.set_result(None)
                break
            heapq.heappop(self._waiting)
        self._admit_soon()
