"""Which database the Prefect server of `a2r up` keeps its history in: SQLite, or PostgreSQL by one setting."""

from urllib.parse import unquote, urlsplit

from configs.errors import UserError

SETTING = "PREFECT_API_DATABASE_CONNECTION_URL"
"""Prefect's own name; the older of two, and the one that wins."""
OTHER_SETTING = "PREFECT_SERVER_DATABASE_CONNECTION_URL"

_DRIVERS = {
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}


def connection_url(url: str) -> str:
    """The address with the driver that Prefect needs. Raises UserError, never showing a password."""
    scheme = url.partition("://")[0]
    if scheme not in _DRIVERS or "://" not in url:
        raise UserError(
            f"The database's address begins with {scheme.split('@')[0][:30]!r}; give "
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or sqlite+aiosqlite:///FILE."
        )
    return f"{_DRIVERS[scheme]}{url.removeprefix(scheme)}"


def told_as(url: str) -> str:
    """The address without its password, to be shown."""
    parts = urlsplit(url)
    place = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme.partition('+')[0]}://{user}{place}"


def without_password(text: str, url: str | None) -> str:
    """Text with the address's password struck out, however it is written there."""
    password = urlsplit(url).password if url else None
    for written in {password, unquote(password)} if password else ():
        text = text.replace(written, "***")
    return text
