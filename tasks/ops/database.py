"""Which database the Prefect server of `a2r up` keeps its history in: SQLite, or PostgreSQL by one setting."""

import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

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
