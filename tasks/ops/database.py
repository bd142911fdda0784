"""Which database the Prefect server of `a2r up` keeps its history in: SQLite, or PostgreSQL by one setting."""

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tasks.executor.environment import prefect_home

from configs.schema import UserError

SETTING = "PREFECT_API_DATABASE_CONNECTION_URL"
"""Prefect's own name; the older of two, and the one that wins."""
OTHER_SETTING = "PREFECT_SERVER_DATABASE_CONNECTION_URL"

_DRIVERS = {
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}


def keep_history_in(url: str | None) -> str | None:
    """Have the server that is started from here use this database; returns how to tell people of it."""
    if url is None:
        return None
    os.environ.pop(OTHER_SETTING, None)
    os.environ[SETTING] = connection_url(url)
    return told_as(url)


def history() -> tuple[str, Path]:
    """The history that a server started from here has: what people call it, and the lock of who serves it."""
    if url := os.environ.get(SETTING):
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        return told_as(url), Path(tempfile.gettempdir()) / f"a2r-up-{digest}.lock"
    home = prefect_home()
    return str(home / "prefect.db"), home / "a2r" / "up.lock"


def refuse_unusable(database: Path) -> None:
    """Raise UserError for a SQLite file that is damaged, or that this version of Prefect cannot read.

    Prefect itself would take a minute to say so, with a traceback. Results are not in it.
    """
    if not database.exists():
        return
    remedy = "set PREFECT_HOME to another folder, or move the file away: history begins anew, results are not in it."
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as opened:
            [answer] = opened.execute("pragma quick_check(1)").fetchone()
            named = opened.execute("select 1 from sqlite_master where name = 'alembic_version'").fetchone()
            revision = opened.execute("select version_num from alembic_version").fetchone() if named else None
    except sqlite3.DatabaseError as error:
        raise UserError(f"Prefect's database {database} cannot be read ({error}); {remedy}") from None
    if answer != "ok":
        raise UserError(f"Prefect's database {database} is damaged ({answer}); {remedy}")
    prefect = find_spec("prefect")
    known = (
        Path(prefect.origin or "").parent / "server/database/_migrations/versions/sqlite" if prefect else None
    )
    if revision and known and known.is_dir() and not any(known.glob(f"*_{revision[0]}_*.py")):
        raise UserError(
            f"Prefect's database {database} was made by another version of Prefect (revision {revision[0]}, unknown to "
            f"Prefect {version('prefect')}); {remedy}"
        )


def without_database(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for whoever talks to the server and has no business with its database."""
    return {name: value for name, value in environment.items() if name not in {SETTING, OTHER_SETTING}}


def connection_url(url: str) -> str:
    """The address with the driver that Prefect needs. Raises UserError, never showing a password."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _DRIVERS:
        shown = f"begins with {scheme}://" if separator else "is not a URL"
        raise UserError(
            f"The database's address {shown}; give postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
            "or sqlite+aiosqlite:///FILE."
        )
    return f"{_DRIVERS[scheme]}{url.removeprefix(scheme)}"


def told_as(url: str) -> str:
    """The address without its password, to be shown."""
    parts = urlsplit(url)
    place = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme.partition('+')[0]}://{user}{place}"


def without_password(text: str, url: str | None = None) -> str:
    """Text with the password of the address, or of the one in use, struck out however it is written."""
    url = url or os.environ.get(SETTING)
    password = urlsplit(url).password if url else None
    for written in {password, unquote(password)} if password else ():
        text = text.replace(written, "***")
    return text
