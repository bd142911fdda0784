"""Servers that speak S3, each in a process of its own: nanio, and nanio behind conditional writes or troubles.

nanio 0.1.7 overlooks `If-None-Match`, as other servers do. Those that honour it are a few lines before it: as nanio has
one process and one loop, a lock per key is all that creating an object only where there is none takes. A busy server
is as far away as one in another building, and asks one request in ten to slow down.
"""

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY = "test-key"
DELAY_SECONDS, SHARE_REFUSED = 0.05, 0.1
"""Of a busy server."""


@contextmanager
def served(folder: Path, conditions: str = "overlooked", *, is_busy: bool = False) -> Iterator[str]:
    """The address of a server; what becomes of a PUT with `If-None-Match`: overlooked, refused or honoured."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, __file__, str(folder), str(port), conditions, *(["busy"] if is_busy else [])],
        env={**os.environ, "NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": KEY, "NANIO_DATA_DIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, "the server has ended"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(10)


def environment(address: str, cache: Path) -> dict[str, str]:
    """What a process needs to use it, with a machine's cache of its own."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(cache),
    }


class Conditional:
    """An ASGI application before nanio's."""

    def __init__(self, app, is_honoured: bool) -> None:
        self.app, self.is_honoured = app, is_honoured
        self.locks = defaultdict(asyncio.Lock)

    async def __call__(self, scope, receive, send) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or scope["method"] != "PUT" or headers.get(b"if-none-match") != b"*":
            await self.app(scope, receive, send)
        elif not self.is_honoured:
            await refuse(NotImplemented_(), scope, receive, send)
        else:
            async with self.locks[scope["path"]]:
                if self.is_there(scope["path"]):
                    await refuse(PreconditionFailed(), scope, receive, send)
                else:
                    await self.app(scope, receive, send)

    def is_there(self, path: str) -> bool:
        bucket, _, key = path.lstrip("/").partition("/")
        try:
            self.app.state.storage.head_object(bucket, key)
        except S3Error:
            return False
        return True


class Busy:
    """An ASGI application before another."""

    def __init__(self, app) -> None:
        self.app, self.chosen = app, random.Random(0)

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(DELAY_SECONDS)
            if self.chosen.random() < SHARE_REFUSED:
                await refuse(SlowDown(), scope, receive, send)
                return
        await self.app(scope, receive, send)


async def refuse(error, scope, receive, send) -> None:
    answer = Response(error.to_xml(), error.http_status, media_type="application/xml")
    await answer(scope, receive, send)


if __name__ == "__main__":
    import uvicorn
    from nanio.app import build_app
    from nanio.errors import NotImplemented_, PreconditionFailed, S3Error
    from starlette.responses import Response

    class SlowDown(S3Error):
        code, message, http_status = "SlowDown", "Please reduce your request rate.", 503

    app = build_app()
    if sys.argv[3] != "overlooked":
        app = Conditional(app, sys.argv[3] == "honoured")
    if "busy" in sys.argv[4:]:
        app = Busy(app)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
