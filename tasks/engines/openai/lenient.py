"""JSON as servers really send it: with NaN, half characters and bytes that are not UTF-8."""

import json
from typing import Any

import orjson


def loads(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """The value, or None where the bytes are not whole JSON.

    Strict and fast first. What only breaks the strict rules is read: NaN and Infinity are numbers (and so no count),
    bytes that are not UTF-8 become U+FFFD; half a character stays and is replaced where it is stored.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data.decode("utf-8-sig", errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return None
