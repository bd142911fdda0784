"""A server whose API answers while the engine behind it is dead: vLLM's /health says so, its errors may, or nothing does.

A request to it may never be answered, or be answered with an error at once, for hours. So /health is asked again and
again where there is one. It is believed where it is bad for long, and where it is silent for as long as a reply may be,
while no text comes from the address; an error that names the engine's death where it is the third in a row.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from tasks.engines.openai.http import SILENT, Replica

EVERY_SECONDS = 10.0
ASK_SECONDS = 5.0
BAD = 4
"""Bad answers in a row, none good and no text between them."""
SAID_DEAD = 3
"""Errors in a row, no text between them: behind a gateway there may be other engines."""
_DEATH = re.compile(
    r"Engine(Core)?DeadError|AsyncEngineDead|EngineCore (encountered an issue|failed|died)|engine (core |process )?(is|was) dead|"
    r"background loop (is stopped|has errored)",
    re.IGNORECASE,
)


def says_it_is_dead(message: str) -> bool:
    """Whether an error is about an engine that will not come back by itself (vLLM, and what repeats its words)."""
    return bool(_DEATH.search(message))


async def watch_health(
    replica: Replica, silent_seconds: float, on_dead: Callable[[Replica, str], Awaitable[None]]
) -> None:
    """Until cancelled, call `on_dead` with a sentence whenever the engine behind the address is dead.

    Args:
        replica: Which address.
        silent_seconds: How long a reply of it may be silent; /health too then.
        on_dead: What to do.
    """
    if await replica.status("/health", ASK_SECONDS) not in {HTTPStatus.OK, SILENT}:
        return
    num_bad, since = 0, time.monotonic()
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        status = await replica.status("/health", ASK_SECONDS)
        is_silent = status == SILENT
        is_bad = (
            is_silent or (status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
        )  # out of reach: it may be loading again
        if not is_bad or replica.last_text > since or not replica.in_flight:
            num_bad, since = 0, time.monotonic()
            continue
        num_bad += 1
        seconds = time.monotonic() - since
        if num_bad >= BAD and (not is_silent or seconds >= silent_seconds):
            said = "is silent" if is_silent else f"says {status}"
            await on_dead(
                replica,
                f"takes requests, but its /health {said} and nothing was answered for {seconds:.0f} s",
            )
            num_bad, since = 0, time.monotonic()
