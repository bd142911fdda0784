"""Which replica gets which request, and what becomes of it when a replica is lost. Knows nothing of Ray.

A request is at one replica at a time. What a replica says of a request that it was taken from is not heard, and a
sample is passed on once, so the first answer is the only one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

H = TypeVar("H")

MOST_LOSSES = 5
"""Replicas that a request may lose: a prompt that crashes each one it meets must not go on for ever."""


@dataclass(slots=True, eq=False)
class Request:
    """A request on its way."""

    number: int
    payload: bytes
    units: int
    """Samples that it asks for."""
    done: set[int] = field(default_factory=set)
    """Places that are delivered."""
    losses: int = 0
    refusals: int = 0
    """How many engines have broken over it."""


@dataclass(slots=True, eq=False)
class Member(Generic[H]):
    """A replica that takes requests."""

    handle: H
    concurrency: int
    """Samples that it is sent at once."""
    group: int
    ahead: int
    """Of these, those that wait there for their turn."""
    open: dict[int, Request] = field(default_factory=dict)

    @property
    def load(self) -> float:
        """Samples in flight per place."""
        return sum(request.units - len(request.done) for request in self.open.values()) / self.concurrency

    @property
    def at_work(self) -> Iterator[Request]:
        """The requests that have had their turn: the earliest."""
        units = 0
        for request in self.open.values():
            if units >= self.concurrency - self.ahead:
                return
            units += request.units - len(request.done)
            yield request


class Dispatch(Generic[H]):
    """The replicas that are up, and all requests: at one of them, or waiting for one."""

    def __init__(self) -> None:
        self.members: dict[H, Member[H]] = {}
        self._where: dict[int, Member[H]] = {}
        self.waiting: dict[int, Request] = {}

    @property
    def concurrency(self) -> int:
        """Samples that all replicas together want in flight."""
        return sum(member.concurrency for member in self.members.values())

    @property
    def group(self) -> int:
        """Samples of one prompt that every replica takes at once."""
        return min((member.group for member in self.members.values()), default=1)

    def joins(self, handle: H, concurrency: int, group: int, ahead: int = 0) -> list[tuple[H, Request]]:
        """A replica is up; returns what is to be sent to it."""
        self.members[handle] = Member(handle, max(1, concurrency) + ahead, max(1, group), ahead)
        waiting, self.waiting = list(self.waiting.values()), {}
        return [placed for request in waiting if (placed := self.place(request))]

    def leaves(self, handle: H) -> list[Request]:
        """A replica is lost; returns what was in flight there, to be placed again.

        Only what it was working on may be the reason.
        """
        member = self.members.pop(handle, None)
        if member is None:
            return []
        for request in member.at_work:
            request.losses += 1
        for number in member.open:
            del self._where[number]
        return list(member.open.values())

    def place(self, request: Request) -> tuple[H, Request] | None:
        """Give the request to the least loaded replica; None where it waits for one."""
        if not self.members:
            self.waiting[request.number] = request
            return None
        member = min(self.members.values(), key=lambda member: member.load)
        member.open[request.number] = request
        self._where[request.number] = member
        return member.handle, request

    def heard(self, handle: H, number: int, place: int) -> bool:
        """Whether a sample that this replica delivers is to be passed on: it is at this replica, and new."""
        request = self.at(handle, number)
        if request is None or place in request.done:
            return False
        request.done.add(place)
        return True

    def at(self, handle: H, number: int) -> Request | None:
        """The request, where it is at this replica."""
        member = self._where.get(number)
        return member.open[number] if member is not None and member.handle == handle else None

    def ends(self, number: int) -> H | None:
        """A request is over; returns the replica that it was at."""
        self.waiting.pop(number, None)
        member = self._where.pop(number, None)
        if member is None:
            return None
        del member.open[number]
        return member.handle

    def all(self) -> Iterator[Request]:
        """Every request."""
        yield from self.waiting.values()
        for member in self.members.values():
            yield from member.open.values()
