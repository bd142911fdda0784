"""Which field of a request an endpoint refuses, read from the words of its refusal."""

import re
from typing import Any, cast

import orjson

from tasks.engines.openai.faults import refusal_code
from warehouse.failures import FailureCode

_STATUSES = frozenset({200, 400, 403, 404, 422, 500, 501})
_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unrecognized|unknown|unexpected|not permitted|not allowed|no longer|"
    r"cannot be (used|specified|set)|not (a )?(valid|available|accepted|enabled)|extra_forbidden|deprecated|"
    r"only the default|use '?\w+'? instead|invalid (parameter|argument|field|property|json payload)",
    re.IGNORECASE,
)
_REMEDY = re.compile(r"\b(use|try|specify|set|prefer) \W*\w+\W* instead.*", re.IGNORECASE)
"""Names what is taken, not what is refused."""


_NO_STREAM = re.compile(
    r"\bstream\W{1,4}(does not|doesn't|cannot|must|is not|isn't|is un|should be) ?.{0,60}"
    r"(true|false|support|allowed|enabled|available)"
    r"|stream(ing|ed)?\b( \w+){0,4} (is |are )?(not|n't|un)( yet| currently)? ?(supported|allowed|available|enabled|permitted)"
    r"|(not|n't) (yet |currently )?(support|allow)\w* .{0,20}\bstream(ing|ed)?\b|verified to stream|streaming is disabled",
    re.IGNORECASE,
)
"""OpenAI (o1; organisations that are not verified), Azure, and gateways that only answer whole."""


def refused_field(status: int, message: str, reply: object, body: bytes | None) -> str:
    """The field of the body that a refusal is about; empty where it is about something else.

    A refused *value* ("temperature must be below 2") is a field's only where no other value than the server's own is
    taken. `model`, `messages` and `n` are never found here: who is asked for what decides their errors.
    """
    if body is None or status not in _STATUSES:
        return ""
    if b'"stream":true' in body and _NO_STREAM.search(message) and "stream_options" not in message:
        return "stream"
    param, words = _param(reply), f"{message} {_code(reply)}"
    if not _UNSUPPORTED.search(words) or refusal_code(message) != FailureCode.BAD_REQUEST:
        return ""
    sent = cast("dict[str, Any]", orjson.loads(body))
    names = [name for name in sent if name not in {"model", "messages", "n", "stream"}]
    if (root := param.partition(".")[0]) in names:
        return root
    about = _REMEDY.sub("", message)
    found = [(at.start(), name) for name in names if (at := re.search(_as_word(name), about))]
    return min(found)[1] if found else ""


def _as_word(name: str) -> str:
    """The name as it stands in a sentence, in snake or camel case; one that is a plain word only where it is meant."""
    camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
    bare = rf"(?<![\w.-])(?:{re.escape(name)}|{camel})(?![\w-])"
    if name != camel:
        return bare
    meant = r"(?:parameter|argument|field|property|input|keyword|setting|supplied)s?\W+(?:\w+\W+){0,6}?"
    return rf"[`'\"]{bare}[`'\"]|{bare}(?=\s*(?::|is |does |parameter|not ))|{meant}{bare}"


def _param(reply: object) -> str:
    """The field that a reply names beside its message: OpenAI's `param`, FastAPI's `loc`."""
    match reply:
        case {"error": {"param": str(param)}} | {"param": str(param)}:
            return param
        case {"detail": [{"loc": [*path]}, *_]} | {"error": {"detail": [{"loc": [*path]}, *_]}}:
            return ".".join(str(step) for step in cast("list[Any]", path) if step != "body")
    return ""


def _code(reply: object) -> str:
    match reply:
        case {"error": {"code": str(code)}}:
            return code
        case {"detail": [{"type": str(code)}, *_]}:
            return code
    return ""
