"""Why a trace was not made, said once: engines name the code, the index reads it back from the store."""

from enum import StrEnum


class FailureCode(StrEnum):
    """Stored as `error_code`, so a name once given keeps its meaning."""

    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_FILTER = "content_filter"
    BAD_REQUEST = "bad_request"
    NOT_RECORDED = "not_recorded"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    NOT_SERVED = "not_served"
    BAD_REPLY = "bad_reply"
    UNREACHABLE = "unreachable"

    @property
    def is_permanent(self) -> bool:
        """Whether this prompt was refused: requested again by the next run, but no reason to wait in this one."""
        return self in _PERMANENT


_PERMANENT = frozenset(
    {
        FailureCode.CONTEXT_OVERFLOW,
        FailureCode.CONTENT_FILTER,
        FailureCode.BAD_REQUEST,
        FailureCode.NOT_RECORDED,
    }
)


def is_permanent(code: str | None) -> bool:
    """The same of a stored code; one that only another version knows may pass, and None is no failure."""
    return code in _PERMANENT
