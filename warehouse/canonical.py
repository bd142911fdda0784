"""Canonical JSON and its SHA-256: the ground on which every identity stands.

Two values have the same digest exactly if they are the same JSON: keys sorted, no white space,
UTF-8, numbers in their shortest form. What has no single JSON form (NaN, sets, dates, objects)
is refused by name instead of being hashed by its `repr`.
"""

import hashlib
import math

import orjson

from configs.schema import UserError


def canonical_json(value: object, field: str = "value") -> bytes:
    """The one JSON text of `value`. Raises UserError naming `field` where there is none."""
    _check(value, field)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: object, field: str = "value") -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value, field)).hexdigest()


def _check(value: object, field: str) -> None:
    match value:
        case None | bool() | int() | str():
            return
        case float():
            if not math.isfinite(value):
                raise UserError(f"{field} is {value}, which has no JSON form; use a finite number.")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise UserError(f"{field} has the key {key!r}; use text as keys.")
                _check(item, f"{field}.{key}")
        case list() | tuple():
            for place, item in enumerate(value):
                _check(item, f"{field}[{place}]")
        case _:
            raise UserError(
                f"{field} is a {type(value).__name__}, which cannot be part of an identity; "
                "use text, numbers, lists or mappings of them."
            )
