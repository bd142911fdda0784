"""An endpoint with so many slots, which turns away (429) what comes while all are taken; an answer takes 200 ms.

    python tests/bench/refusing.py PORT     as a process of its own

`/reset?capacity=256&then=32&after=8000` gives it 256 slots, and 32 once 8,000 requests are answered; `/stats` is what it
counted.
"""

import asyncio
import time
from dataclasses import asdict, dataclass
from urllib.parse import parse_qsl, urlsplit

from streaming import MODELS, WHOLE, Connection, serve, whole
from uvloop import run

SECONDS = 0.2
FULL = whole({"error": {"message": "Too many requests in flight", "code": 429}}).replace(
    b"200 OK", b"429 Full", 1
)


@dataclass
class Slots:
    """The endpoint's slots, and what became of the requests."""

    capacity: int = 16
    then: int = 0
    after: int = 0
    at_work: int = 0
    sent: int = 0
    refused: int = 0
    answered: int = 0
    began: float = 0.0
    ended: float = 0.0

    def take(self) -> bool:
        """A request came; whether there is a slot for it."""
        self.sent += 1
        self.began = self.began or time.monotonic()
        if self.at_work >= (self.then if self.after and self.answered >= self.after else self.capacity):
            self.refused += 1
            return False
        self.at_work += 1
        return True

    def leave(self) -> None:
        """A request was answered."""
        self.at_work -= 1
        self.answered += 1
        self.ended = time.monotonic()


class Refusing(Connection):
    """One connection to it."""

    slots = Slots()

    def asked(self, head: bytes, body: bytes) -> None:
        """Answer a request."""
        _, path, _ = head.split(b" ", 2)
        where = urlsplit(path.decode())
        if where.path == "/reset":
            Refusing.slots = Slots(**{name: int(value) for name, value in parse_qsl(where.query)})
        if where.path in {"/reset", "/stats"}:
            self.transport.write(whole(asdict(self.slots)))
        elif not head.startswith(b"POST"):
            self.transport.write(MODELS)
        elif self.slots.take():
            asyncio.get_running_loop().call_later(SECONDS, self.answer, self.slots)
        else:
            self.transport.write(FULL)

    def answer(self, slots: Slots) -> None:
        """The reply to a request that got a slot."""
        slots.leave()
        if not self.transport.is_closing():
            self.transport.write(WHOLE)


if __name__ == "__main__":
    run(serve(Refusing))
