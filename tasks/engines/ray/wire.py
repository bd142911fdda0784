"""What a run and its Ray driver say to each other: pickled tuples with their length before them, over a socket pair.

Both ends are processes of one run and the socket has no name, so nobody else can write to it.
"""

import asyncio
import pickle
import socket
from typing import Any, NamedTuple

from configs.engines import EngineSettings
from configs.models import Model

_LENGTH_BYTES = 8


class Spec(NamedTuple):
    """What a replica is built from."""

    model: Model
    engine: EngineSettings
    """As the experiment says it; its kind is looked up where the replica is."""
    version: str
    """Of A2R in the run."""


class Fleet(NamedTuple):
    """The first message to a driver: which replicas, where."""

    address: str
    spec: Spec | None
    """None: only look at the cluster."""
    replicas: int | None
    """None: as many as there is place for."""
    gpus: float
    cpus: float
    silence_seconds: float
    patience_seconds: float
    folder: str
    """For the files of a cluster of our own."""


class Node(NamedTuple):
    """One node that is up."""

    name: str
    cpus: float
    gpus: float


def packed(message: tuple[Any, ...]) -> bytes:
    """The message as it is sent."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(_LENGTH_BYTES) + body


async def received(reader: asyncio.StreamReader) -> tuple[Any, ...] | None:
    """The next message; None where the other end is gone."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
        return pickle.loads(await reader.readexactly(length))  # noqa: S301 - from our own process
    except (asyncio.IncompleteReadError, OSError):
        return None


def received_now(connection: socket.socket) -> tuple[Any, ...] | None:
    """The same of a socket that is read without an event loop. Raises TimeoutError."""
    with connection.makefile("rb") as file:
        length = file.read(_LENGTH_BYTES)
        if len(length) < _LENGTH_BYTES:
            return None
        return pickle.loads(file.read(int.from_bytes(length)))  # noqa: S301 - from our own process
