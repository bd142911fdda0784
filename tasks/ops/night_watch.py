"""What the terminal of `a2r up` tells of nights: each one's end, and when the next begins."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx

EVERY_SECONDS = 5.0
"""How often the server is asked."""
_ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_NIGHTS = {"flows": {"name": {"any_": ["nightly"]}}}
_MOST = 20


class NightWatch:
    """Asks Prefect's server now and then. A server that does not answer costs some news its time, nothing else."""

    def __init__(self, url: str, timezone: str, clock: Callable[[], float] = time.monotonic) -> None:
        # one client: each new one reads all root certificates
        self._client = httpx.Client(base_url=url, timeout=5)
        self._zone, self._clock = ZoneInfo(timezone), clock
        self._since, self._told = datetime.now(UTC), set[tuple[str, str]]()
        self._asked_at = clock()

    def news(self) -> Iterator[str]:
        """A sentence or two for each night that has ended since the last call."""
        if self._clock() - self._asked_at < EVERY_SECONDS:
            return
        self._asked_at = self._clock()
        try:
            ended = self._runs("END_TIME_DESC", end_time={"after_": self._since.isoformat()})
            for run in reversed(ended):
                end = (run["id"], run["end_time"])  # a night that is retried ends again
                if run["state_type"] in _ENDS and end not in self._told:
                    self._told.add(end)
                    yield f"{_told_of(run)} {self._next()}"
        except (httpx.HTTPError, ValueError, KeyError):
            return

    def _next(self) -> str:
        found = self._runs("EXPECTED_START_TIME_ASC", state={"type": {"any_": ["SCHEDULED"]}})
        if not found:
            return "No further night is scheduled."
        begins = datetime.fromisoformat(found[0]["expected_start_time"])
        return f"The next night begins {moment(begins, self._zone)}."

    def _runs(self, sort: str, **where: object) -> list[dict]:
        body = _NIGHTS | {"flow_runs": {"tags": {"all_": ["a2r"]}} | where, "sort": sort, "limit": _MOST}
        reply = self._client.post("/api/flow_runs/filter", json=body)
        return reply.raise_for_status().json()


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Such as `Sunday, 29 November, 02:00 Europe/Berlin`."""
    return f"{at.astimezone(zone):%A, %d %B, %H:%M} {zone.key}"


def _told_of(run: dict) -> str:
    """The night's line; of one that left none, such as a crashed one, its state."""
    name = run["name"][:1].upper() + run["name"][1:]
    said = ((run["state"] or {}).get("message") or "").splitlines()
    word = {"COMPLETED": "", "FAILED": " failed"}.get(run["state_type"], f" {run['state_type'].lower()}")
    return f"{name}{word}: {said[0]}" if said else f"{name}{word or ' is complete'}."
