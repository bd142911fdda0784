"""How a server turns messages into a prompt: a digest of its chat template, where it lets one look.

vLLM's /tokenize renders a few fixed conversations (text where it gives the tokens as text, else their numbers), which
shows a changed template and a changed tokenizer alike; llama.cpp's /props and Ollama's /api/show have the template
itself. Dates are taken out first: many templates write today's into the prompt. Nothing is generated.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, cast

import orjson

from configs.engines import OpenAISettings
from configs.schema import JsonObject
from tasks.engines.openai.http import Replica
from tasks.engines.openai.lenient import loads
from warehouse.canonical import digest
from warehouse.storable import storable_text

READ_SECONDS = 5.0
_THEIR_OWN = frozenset({None, "vllm", "sglang", "llama.cpp", "ollama"})
"""Dialects of servers that one runs; a provider's does not show its template, and is not asked."""
_USER = {"role": "user", "content": "Which of the two is larger, one half or a third?"}
_CONVERSATIONS: tuple[JsonObject, ...] = (
    {"messages": [_USER]},
    {"messages": [{"role": "system", "content": "Be brief."}, _USER]},
    {"messages": [_USER], "chat_template_kwargs": {"enable_thinking": False}},
)
_DATE = re.compile(
    r"\d+|(?<![a-z])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]*",
    re.IGNORECASE,
)


async def template_digest(replica: Replica, model: str, settings: OpenAISettings) -> str | None:
    """16 hexadecimal digits; equal while prompts are rendered alike. None where the server does not show it."""
    if settings.dialect not in _THEIR_OWN:
        return None
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await _seen(replica, model)
    except TimeoutError:
        return None


async def _seen(replica: Replica, model: str) -> str | None:
    first, *others = _CONVERSATIONS
    if (rendered := await _rendered(replica, model, first)) is not None:
        return _digest([rendered, *[await _rendered(replica, model, other) for other in others]])
    props = await _asked(replica, "/props")
    shown = props.get("chat_template") or (await _asked(replica, "/api/show", {"model": model})).get(
        "template"
    )
    return _digest([shown]) if isinstance(shown, str) and shown else None


async def _rendered(replica: Replica, model: str, conversation: JsonObject) -> str | None:
    """A conversation as the server's prompt; None where it does not say, or refuses one of this kind."""
    asked = {"model": model, **conversation, "add_generation_prompt": True, "return_token_strs": True}
    reply = await _asked(replica, "/tokenize", asked)
    texts, numbers = reply.get("token_strs"), reply.get("tokens")
    if isinstance(texts, list) and texts:
        return "".join(map(str, cast("list[Any]", texts)))
    return str(cast("list[Any]", numbers)) if isinstance(numbers, list) and numbers else None


async def _asked(replica: Replica, path: str, body: JsonObject | None = None) -> JsonObject:
    text = await replica.text(path, READ_SECONDS, orjson.dumps(body) if body else None)
    reply = loads(text.encode(errors="replace")) if text else None
    return cast("JsonObject", reply) if isinstance(reply, dict) else {}


def _digest(rendered: Sequence[str | None]) -> str:
    texts = [None if text is None else storable_text(text) for text in rendered]
    if all(text is None or not text.startswith("[") for text in texts):  # token numbers hold no date
        texts = [None if text is None else _DATE.sub("#", text) for text in texts]
    return digest(texts)[:16]
