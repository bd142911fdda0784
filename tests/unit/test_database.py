"""The database's address is understood, and its password is never shown."""

import os
import sqlite3
from contextlib import closing

import pytest

from configs.schema import UserError
from tasks.ops.database import (
    OTHER_SETTING,
    SETTING,
    connection_url,
    keep_history_in,
    refuse_unusable,
    told_as,
    without_database,
    without_password,
)

URL = "postgresql+asyncpg://me:p%40ss@db.example:5433/prefect"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_driver_is_added(scheme):
    assert connection_url(f"{scheme}://me:pw@h/d") == "postgresql+asyncpg://me:pw@h/d"


@pytest.mark.parametrize("url", ["mysql://me:hidden@h/d", "me:hidden@h/d", "hidden"[:0]])
def test_other_database_is_refused_without_its_password(url):
    with pytest.raises(UserError, match="postgresql://USER:PASSWORD@HOST") as error:
        connection_url(url)
    assert "hidden" not in str(error.value)


def test_address_is_told_without_its_password():
    assert told_as(URL) == "postgresql://me@db.example:5433/prefect"
    assert told_as("sqlite+aiosqlite:////srv/p.db") == "sqlite:////srv/p.db"


def test_password_is_struck_out_plain_and_escaped():
    assert without_password("no p%40ss and no p@ss", URL) == "no *** and no ***"
    assert without_password("as it is") == "as it is"


def test_setting_reaches_the_server_alone(monkeypatch):
    monkeypatch.setenv(OTHER_SETTING, "sqlite+aiosqlite:///elsewhere")
    monkeypatch.setenv(SETTING, "")
    assert keep_history_in(URL) == told_as(URL)
    assert os.environ[SETTING] == URL
    assert OTHER_SETTING not in os.environ
    assert without_password("p@ss") == "***"
    assert without_database({SETTING: URL, OTHER_SETTING: URL, "A": "b"}) == {"A": "b"}


def test_database_that_prefect_cannot_use_is_told_in_a_sentence(tmp_path):
    database = tmp_path / "prefect.db"
    refuse_unusable(database)
    database.write_bytes(b"no database at all" * 100)
    with pytest.raises(UserError, match=r"cannot be read .* set PREFECT_HOME to another folder"):
        refuse_unusable(database)
    database.unlink()
    with closing(sqlite3.connect(database)) as made, made:
        made.execute("create table alembic_version (version_num text)")
        made.execute("insert into alembic_version values ('a3b9c7d2e5f1')")
    refuse_unusable(database)
    with closing(sqlite3.connect(database)) as made, made:
        made.execute("update alembic_version set version_num = 'elsewhere'")
    with pytest.raises(UserError, match="made by another version of Prefect"):
        refuse_unusable(database)
