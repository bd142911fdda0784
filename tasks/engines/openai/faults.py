"""What an endpoint's error means, decided here alone: it may pass, this prompt is refused, or a person has to act."""

import re
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any

from warehouse.failures import FailureCode
from warehouse.storable import whole_number

OK = 200
_TRANSIENT = frozenset({408, 409, 424, 425, 498, 499})
_ABOUT_CONTENT = frozenset({413, 422})
"""Statuses whose message often repeats the prompt, whose words are not the endpoint's."""
_UNKNOWN_ADDRESS = frozenset({301, 302, 303, 304, 307, 308, 404, 405, 407, 410, 421, 501})


@dataclass
class TransientError(Exception):
    """A try that failed in a way that may pass."""

    code: FailureCode
    message: str
    retry_after: float | None = None
    """Seconds that the endpoint asks to be left alone."""
    is_passed_on: bool = False
    """Whether another replica can be asked instead."""
    is_busy: bool = False
    """Whether the endpoint says that it has too much to do."""
    is_paced: bool = False
    """Whether the next try waits with all others until the endpoint takes requests again (`Pace`)."""
    is_paid: bool = False
    """Whether tokens were made for it, which are lost."""
    is_given_up: bool = False
    """Whether a further try is not worth it now."""


@dataclass
class RefusedError(Exception):
    """A request that is refused, though others are answered."""

    code: FailureCode
    message: str
    field: str | None = None
    """The field of its body that is refused, whatever the prompt; None: the request as a whole."""


class Meaning(Enum):
    """What an error means for the request and for the stage."""

    MAY_PASS = "may pass"  # noqa: S105 - not a password
    REFUSED = "this prompt is refused"
    UNPAID = "no credit"
    WRONG_KEY = "the key is refused"
    DOUBTFUL = "this request, or every one"
    """A refusal of this request while others are answered; else something only a person can mend."""


_OVERFLOW = re.compile(
    r"context.?(length|window|size)|maximum (context|input)|max_(model|seq)_len|max_new_tokens`? must be"
    r"|too (long|many tokens)|exceed\w* .{0,40}(context|tokens)",
    re.IGNORECASE,
)
_MANY_CHOICES = re.compile(
    r"only one (completion )?(choice|candidate|completion|response|generation)"
    r"|(multiple|several|more than one) (candidate|choice|completion|response|generation)s?"
    r"|(candidate_?count|num_?(choices|candidates|completions|generations)|number of (choices|candidates|completions))",
    re.IGNORECASE,
)
_ONE_CHOICE = re.compile(
    r"(?<![\w.])[`'\"]?n[`'\"]?(?![\w]).{0,80}(1|one|not? |unsupported|support)", re.IGNORECASE
)
_UNPAID = re.compile(
    r"insufficient.{0,12}(balance|credit|fund|quota)|(balance|credits?|funds?|quota).{0,30}"
    r"(insufficient|too low|exhausted|depleted|used up|ran out|not enough|negative)"
    r"|(not enough|out of|no|more) (credits?|balance|funds)\b"
    r"|payment.?required|billing (hard )?limit|spend(ing)? (limit|cap)|usage limits?.{0,40}(reached|exceeded)"
    r"|欠费|余额不足|arrear|overdue|account.{0,30}(deactivated|suspended|disabled|blocked)|exceeded your current quota",
    re.IGNORECASE,
)
_PER_TIME = re.compile(
    r"(retry|try again) (in|after)|per[ _-]?(second|minute|hour|day)|rate.?limit|too many requests|[rt]p[md]\b",
    re.IGNORECASE,
)
_FLAGGED = re.compile(
    r"flagged|moderat|content.?(filter|policy|management)|(safety|usage|acceptable.use) (polic|filter|system|check)"
    r"|harmful|inappropriate|sensitive (content|words?|information)|prohibited (content|use)"
    r"|violat\w+ .{0,40}(polic|terms|guideline)"
    r"|敏感|违规|不安全|guardrail|data.?inspection|unsafe|DataInspectionFailed|risk.?control",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(api|access|secret|auth\w*|invalid|your|bearer|virtual).?(key|token)|credential|unauthori[sz]ed|authenticat"
    r"|permission|\bscopes?\b|forbidden for|not (authori[sz]ed|entitled)|unsupported.?(country|region)"
    r"|(country|region|location).{0,30}(not|un)\s?supported|ip .{0,20}(not allowed|denied)",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(
    r"(country|region|location).{0,30}(not|un)\s?supported"
    r"|(invalid|incorrect|missing|wrong).{0,10}api.?key|api.?key.{0,20}(not valid|invalid|missing|expired)",
    re.IGNORECASE,
)
_KEY_WORDS: dict[int, re.Pattern[str]] = {HTTPStatus.FORBIDDEN: _KEY, HTTPStatus.BAD_REQUEST: _BAD_KEY}
_SETTING = re.compile(
    r"(unsupported|unrecognized|unknown|unexpected|extra) (request )?(parameter|argument|field|input|property|keyword)"
    r"|(parameter|argument|field|property).{0,60}(not supported|unsupported|not permitted|not allowed|unknown)"
    r"|extra inputs are not permitted|model.{0,80}(not exist|not found|not available|not supported|unknown)"
    r"|(unknown|invalid|no such) model|unable to access (the )?model|model_not_available|model_not_found",
    re.IGNORECASE,
)


def meaning_of(status: int, message: str, reply: object) -> tuple[Meaning, FailureCode]:
    """What an error means and its code, by its status and the endpoint's own words; words count before a status."""
    words = f"{message} {_labels(reply)}"
    if is_final(reply) or _refuses_many(status, message):
        return Meaning.REFUSED, refusal_code(message)
    if _is_unpaid(status, words):
        return Meaning.UNPAID, FailureCode.BAD_REQUEST
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Meaning.MAY_PASS, FailureCode.RATE_LIMITED
    if status in _TRANSIENT or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _UNKNOWN_ADDRESS
    ):
        return Meaning.MAY_PASS, FailureCode.SERVER_ERROR
    return _refusal(status, message, words)


def _refusal(status: int, message: str, words: str) -> tuple[Meaning, FailureCode]:
    """What an error means that will not pass: it is about the prompt, the key, the address or a setting."""
    if status == HTTPStatus.UNAUTHORIZED:
        return Meaning.WRONG_KEY, FailureCode.BAD_REQUEST
    if status not in _UNKNOWN_ADDRESS and _FLAGGED.search(words):
        return Meaning.REFUSED, FailureCode.CONTENT_FILTER
    says_key = _KEY_WORDS.get(status)
    if says_key and says_key.search(words):
        return Meaning.WRONG_KEY, FailureCode.BAD_REQUEST
    if status == HTTPStatus.FORBIDDEN or status in _UNKNOWN_ADDRESS:
        return Meaning.DOUBTFUL, FailureCode.NOT_SERVED
    code = refusal_code(message)
    is_setting = (
        code == FailureCode.BAD_REQUEST and _SETTING.search(words) and not refuses_many_choices(message)
    )
    return (Meaning.DOUBTFUL if is_setting else Meaning.REFUSED), code


def error_message(status: int, body: bytes, reply: object) -> str:
    """The endpoint's own words about an error, at most 500 characters, none of which a terminal obeys."""
    match reply:
        case {"error": {"message": str(message), "metadata": {"raw": str(raw)}}} if raw:
            text = f"{message}: {raw}"
        case {"error": {"message": str(message)}} | {"error": str(message)}:
            text = message
        case {"errors": [{"message": str(message)}, *_]} | [{"error": {"message": str(message)}}, *_]:
            text = message
        case {"detail": detail} if detail:
            text = str(detail)
        case {"message": str(message)} | {"msg": str(message)} | {"error_msg": str(message)}:
            text = message
        case _:
            text = body[:2000].decode(errors="replace")
    return f"HTTP {status}: {one_line(text)}"


def one_line(text: str) -> str:
    """At most 500 characters of a foreign text, on one line, without control characters."""
    line = " ".join(text[:2000].split())[:500]
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else "\ufffd" for character in line)


def error_status(reply: object) -> int:
    """The status inside a reply that came as 200 but is an error (gateways, older llama.cpp); else 200."""
    match reply:
        case {"choices": [_, *_]}:
            return OK
        case {"error": error} | {"errors": [error, *_]} | [{"error": error}, *_] if error:
            return _status_inside(error)
        case {"object": "error"} | {"type": "error"}:
            return _status_inside(reply)
        case {"choices": _} | {"data": _}:
            return OK
        case {"detail": said} | {"message": said} | {"msg": said} | {"error_msg": said} if said:
            return _status_inside(reply)
    return OK


def is_final(reply: object) -> bool:
    """Whether an error is a refusal whatever its status: llama.cpp sends some of its refusals as 500."""
    match reply:
        case {"error": {"type": "exceed_context_size_error"}}:
            return True
        case {"error": {"message": str(message)}}:
            return "only one completion choice" in message.lower()
    return False


def refusal_code(message: str) -> FailureCode:
    """Why a request was refused for good."""
    if _OVERFLOW.search(message):
        return FailureCode.CONTEXT_OVERFLOW
    return FailureCode.CONTENT_FILTER if _FLAGGED.search(message) else FailureCode.BAD_REQUEST


def refuses_many_choices(message: str) -> bool:
    """Whether a refusal is about `n`."""
    return bool(_ONE_CHOICE.search(message) or _MANY_CHOICES.search(message))


def _refuses_many(status: int, message: str) -> bool:
    """Whether `n` is refused in words, or by a status, under which it would be tried again or the address doubted."""
    if status == HTTPStatus.NOT_IMPLEMENTED:
        return refuses_many_choices(message)
    return status < HTTPStatus.NOT_IMPLEMENTED and bool(_MANY_CHOICES.search(message))


def _is_unpaid(status: int, words: str) -> bool:
    """Whether credit is used up; a quota per minute or day is refilled, though it is called a quota too."""
    if status == HTTPStatus.PAYMENT_REQUIRED or "budget_exceeded" in words:
        return True
    if status in _ABOUT_CONTENT or not _UNPAID.search(words):
        return False
    is_refilled = status == HTTPStatus.TOO_MANY_REQUESTS and _PER_TIME.search(words)
    return not is_refilled or "insufficient_quota" in words


def _status_inside(error: object) -> int:
    """The HTTP status that an error value names by number or by word; 502 where it names none."""
    named: list[Any] = []
    if isinstance(error, dict):
        named = [error.get(key) for key in ("code", "status", "status_code", "http_status", "type")]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    for value in named:
        number = whole_number(int(value) if isinstance(value, str) and value.isdecimal() else value, 400, 599)
        if number:
            return number
    words = " ".join(str(value) for value in named if isinstance(value, str)).lower()
    for stem, status in _STATUS_WORDS:
        if re.search(stem, words):
            return status
    return HTTPStatus.BAD_GATEWAY


_STATUS_WORDS = (
    (r"insufficient|payment|billing", 402),
    (r"rate.?limit|too.?many|resource.?exhausted|throttl", 429),
    (r"authentication|api.?key|unauthori[sz]ed", 401),
    (r"permission|forbidden", 403),
    (r"not.?found", 404),
    (r"invalid|bad.?request|context.?length|content.?(filter|policy)", 400),
)


def _labels(reply: object) -> str:
    """The short words beside an error's message (`code`, `type`), in which a quota is told from a rate."""
    error = reply.get("error", reply) if isinstance(reply, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    if not isinstance(error, dict):
        return ""
    return " ".join(value for key in ("code", "type", "status") if isinstance(value := error.get(key), str))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
