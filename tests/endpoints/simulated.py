"""An address in simulated time: what a server of a given capacity does to a real `Pace` and `Admission`.

The loop's clock jumps to the next timer, so that an hour passes in as long as its callbacks take; nothing is sent.
"""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.engines.admission import Admission
from tasks.engines.openai.concurrency import Concurrency
from tasks.engines.openai.faults import TransientError
from tasks.engines.openai.limits import Limits
from tasks.engines.openai.pacing import Pace
from warehouse.failures import FailureCode


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: the time that would be waited is added to the clock."""

    now = 0.0

    def select(self, timeout=None):
        self.now += timeout or 0.0
        return []


class _SimulatedLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.now


@dataclass
class SimulatedServer:
    """A server with so many slots; what is beyond them waits (`queues`) or is turned away."""

    capacity: Callable[[int], int]
    """Slots, by how many requests were answered."""
    queues: bool
    latency: Callable[[int], float] = lambda _: 0.2
    """Seconds of a request, by its number."""
    way: float = 0.001
    """Seconds to the server and back."""
    headers: Callable[[float], dict[str, str] | None] | None = None
    """Called for each request; None turns it away, with the headers of the reply."""
    retry_after: Callable[[float], float] | None = None
    num_sent: int = 0
    num_refused: int = 0
    num_answered: int = 0
    at_work: int = 0
    waiting: deque = field(default_factory=deque)
    began: float | None = None
    ended: float = 0.0

    async def ask(self, number, tokens):
        """One request; whether it was answered, and the headers."""
        loop = asyncio.get_running_loop()
        self.began = loop.time() if self.began is None else self.began
        await asyncio.sleep(self.way / 2)
        self.num_sent += 1
        told = self.headers(loop.time()) if self.headers else {}
        is_full = self.at_work >= self.capacity(self.num_answered)
        if told is None or (is_full and not self.queues):
            self.num_refused += 1
            await asyncio.sleep(self.way / 2)
            return None
        if is_full:
            place = loop.create_future()
            self.waiting.append(place)
            await place  # whoever leaves has taken the slot for us
        else:
            self.at_work += 1
        await asyncio.sleep(self.latency(number))
        self.at_work -= 1
        self.num_answered += 1
        while self.waiting and self.at_work < self.capacity(self.num_answered):
            self.at_work += 1
            self.waiting.popleft().set_result(None)
        await asyncio.sleep(self.way / 2)
        self.ended = loop.time()
        return told


def drive(server, num_requests, *, concurrency=None, limits=None, patience=600.0, tokens=lambda _: 500):
    """Ask for so many completions as a run does; returns the pace. Raises where one is given up."""
    pace = Pace(patience, concurrency or Concurrency(), limits or Limits())

    async def one(number):
        while True:
            turn = await pace.acquire()
            try:
                told = await server.ask(number, tokens(number))
                if told is not None:
                    pace.told(turn, told)
                    pace.answered(turn, tokens(number))
                    return
                now = asyncio.get_running_loop().time()
                error = TransientError(FailureCode.RATE_LIMITED, "slow down")
                error.retry_after = server.retry_after(now) if server.retry_after else None
                pace.limited(turn, error)
                if error.is_given_up:
                    raise error
            finally:
                pace.release(turn)

    async def run():
        admission = Admission(pace.concurrency.window)

        def release(_):
            admission.resize(pace.concurrency.window)
            admission.release(1)

        async with asyncio.TaskGroup() as group:
            for number in range(num_requests):
                admission.resize(pace.concurrency.window)
                await admission.acquire(1, 0)
                group.create_task(one(number)).add_done_callback(release)

    loop = _SimulatedLoop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
    return pace
