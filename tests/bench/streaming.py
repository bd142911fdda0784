"""An endpoint that costs nothing: every answer is the same 2 KB, written at once, streamed where asked for so.

    python tests/bench/streaming.py PORT     as a process of its own, so that its CPU is not counted

The model's name says how many characters an event holds: `4` is a token an event, `64` what servers send that gather
some. As servers do, each event is an HTTP chunk of its own.
"""

import asyncio
import sys
from collections.abc import Iterator

import orjson
from uvloop import run

TEXT = ("Let us add the numbers one by one and look at the sum. " * 40)[:2030] + "\\boxed{5}"
USAGE = {"prompt_tokens": 60, "completion_tokens": 510}
HEAD = {"id": "chatcmpl-5f3c2b1a9d", "created": 1764362000, "model": "m"}


def events(size: int) -> Iterator[bytes]:
    """The answer as events of so many characters."""
    head = {**HEAD, "object": "chat.completion.chunk"}
    for at in range(0, len(TEXT), size):
        choice = {
            "index": 0,
            "delta": {"content": TEXT[at : at + size]},
            "logprobs": None,
            "finish_reason": None,
        }
        yield orjson.dumps(head | {"choices": [choice]})
    yield orjson.dumps(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield orjson.dumps(head | {"choices": [], "usage": USAGE})
    yield b"[DONE]"


def streamed(size: int) -> bytes:
    """The whole reply as it goes over the wire, an HTTP chunk an event."""
    chunks = [b"data: " + event + b"\n\n" for event in events(size)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        + body
    )


def whole(content: object) -> bytes:
    """A JSON reply."""
    body = orjson.dumps(content)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


MODELS = whole({"data": [{"id": "4"}, {"id": "16"}, {"id": "64"}]})
CHOICE = {
    "index": 0,
    "message": {"role": "assistant", "content": TEXT},
    "logprobs": None,
    "finish_reason": "stop",
}
WHOLE = whole({**HEAD, "object": "chat.completion", "choices": [CHOICE], "usage": USAGE})
STREAMED = {size: streamed(size) for size in (4, 16, 64)}


class Connection(asyncio.Protocol):
    """One connection: a reply for each request, which comes when the one before it is answered."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is here."""
        self.transport = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self.held += data
        while b"\r\n\r\n" in self.held:
            head, _, rest = self.held.partition(b"\r\n\r\n")
            lengths = [
                line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            ]
            length = int(lengths[0]) if lengths else 0
            if len(rest) < length:
                return
            body, self.held = rest[:length], rest[length:]
            self.asked(head, body)

    def asked(self, head: bytes, body: bytes) -> None:
        """Answer a request."""
        if head.startswith(b"POST"):
            content = orjson.loads(body)
            self.transport.write(STREAMED[int(content["model"])] if content.get("stream") else WHOLE)
        else:
            self.transport.write(MODELS)


async def serve(connection: type[Connection]) -> None:
    """Serve on the port of the command line until killed."""
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    run(serve(Connection))
