"""A server whose API answers while the engine behind it is dead: vLLM's /health says so, and nothing else does.

A request to it may never be answered, or be answered with an error at once, for hours. Where /health was there at the
start, it is asked again and again; one that is bad for long, while nothing is answered, is believed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from tasks.engines.openai.http import Replica

EVERY_SECONDS = 10.0
ASK_SECONDS = 5.0
BAD = 4
"""Bad answers in a row, none good and no completion between them."""


async def watch_health(replica: Replica, on_dead: Callable[[Replica, str], Awaitable[None]]) -> None:
    """Until cancelled, call `on_dead` with a sentence whenever the engine behind the address is dead."""
    if await replica.status("/health", ASK_SECONDS) != HTTPStatus.OK:
        return
    num_bad, since = 0, time.monotonic()
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        status = await replica.status("/health", ASK_SECONDS)
        is_bad = (
            status or 0
        ) >= HTTPStatus.INTERNAL_SERVER_ERROR  # no answer at all: it may be loading again
        if not is_bad or replica.last_completion > since or not replica.in_flight:
            num_bad, since = 0, time.monotonic()
            continue
        num_bad += 1
        if num_bad >= BAD:
            seconds = time.monotonic() - since
            why = (
                f"takes requests, but its /health says {status} and nothing was answered for {seconds:.0f} s"
            )
            await on_dead(replica, why)
            num_bad, since = 0, time.monotonic()
