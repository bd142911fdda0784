"""What Prefect and other libraries find in the environment where it says nothing; importing this module sets it.

Prefect reads its settings as it is imported, and onnxruntime calls its maker as it is imported: so this comes first in
every module of `flows`, and everything that is started from here (servers, workers, runs) inherits it.
"""

import os
import sys
import tempfile
import tomllib
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

_DEFAULTS = {
    # nothing calls home
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # a run's page calls it dead after six of them (`tasks/ops/automations.py`), whoever started it
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # Prefect's own temporary server, where a flow is called from Python: slow disks need more than the default
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # Arrow's default allocator keeps what each thread once used; with the system's, memory stays flat
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def settle(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what the environment leaves open; what it says stays."""
    for name, value in _DEFAULTS.items():
        environment.setdefault(name, value)
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = without_proxy(environment.get(name, ""))
    home = user_home(environment)
    environment["HOME"] = str(home)
    if "prefect" not in sys.modules and not _has_own_prefect(home, environment):
        environment.setdefault("PREFECT_HOME", str(prefect_home(environment)))
        with suppress(OSError):
            prefect_home(environment).mkdir(parents=True, exist_ok=True)  # Prefect makes no parents


def without_proxy(hosts: str) -> str:
    """The list of hosts that are reached without a proxy, with this machine's own addresses in it."""
    named = [host.strip() for host in hosts.split(",") if host.strip()]
    return ",".join([*named, *(host for host in _LOOPBACK if "*" not in named and host not in named)])


def user_home(environment: MutableMapping[str, str] = os.environ) -> Path:
    """The user's home, or, where it is missing or cannot be written to (containers), a temporary folder of theirs."""
    home = Path(environment.get("HOME") or "/nonexistent")
    if home.is_dir() and os.access(home, os.W_OK):
        return home
    stand_in = Path(tempfile.gettempdir()) / f"a2r-{os.getuid()}"
    stand_in.mkdir(mode=0o700, exist_ok=True)
    if stand_in.stat().st_uid == os.getuid():
        return stand_in
    return Path(tempfile.mkdtemp(prefix="a2r-"))


def state_folder(environment: MutableMapping[str, str] = os.environ) -> Path:
    """Where what outlives a run and belongs to no root is kept."""
    state = environment.get("XDG_STATE_HOME")
    return (Path(state) if state else user_home(environment) / ".local" / "state") / "a2r"


def prefect_home(environment: MutableMapping[str, str] = os.environ) -> Path:
    """Prefect's folder: the user's if PREFECT_HOME names one, else one of our own.

    Another Prefect of this user may be older or newer, and two versions cannot share a database.
    """
    named = environment.get("PREFECT_HOME")
    return Path(named).expanduser() if named else state_folder(environment) / "prefect"


def _has_own_prefect(home: Path, environment: MutableMapping[str, str]) -> bool:
    """Whether the user has told Prefect, in its usual folder, which server to talk to."""
    with suppress(OSError, tomllib.TOMLDecodeError, AttributeError):
        profiles = tomllib.loads((home / ".prefect" / "profiles.toml").read_text(encoding="utf-8"))
        active = environment.get("PREFECT_PROFILE") or profiles.get("active")
        return bool(profiles.get("profiles", {}).get(active, {}).get("PREFECT_API_URL"))
    return False


settle()
