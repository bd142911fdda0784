"""The process of a temporary Prefect server: it serves one command and is gone with it.

    python -m tasks.executor.server_process SOCKET DATABASE TEMPLATE

It listens on the inherited SOCKET, in a session of its own: a Ctrl-C at the terminal does not reach it. When the command
is gone, however that ended, the kernel closes its standard input, and the server ends with the folder of its database.
"""

import asyncio
import os
import select
import shutil
import socket
import sqlite3
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

from tasks.executor.garbage import look_seldom
from warehouse.files import atomic_file

POLL_SECONDS = 1.0


def end_with(parent: int, folder: Path) -> None:
    """End this process, and remove the folder, once its parent is gone or has closed our standard input."""
    while os.getppid() == parent:
        if select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
            break
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def prepare(database: Path, template: Path) -> None:
    """Put an empty database of this Prefect in place, a copy of the template, which is made once; one that is there stays."""
    if is_intact(database):
        return
    if not is_intact(template):
        asyncio.run(_migrate())  # makes `database`, which the environment names
        template.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError), atomic_file(template) as beside:
            _copy(database, beside)
    else:
        shutil.copyfile(template, database)


def is_intact(database: Path) -> bool:
    """Whether it is there, and SQLite finds no damage in it."""
    if not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)) as opened:
            [answer] = opened.execute("pragma quick_check(1)").fetchone()
            opened.execute("select 1 from alembic_version").fetchone()
            return bool(answer == "ok")
    except sqlite3.Error:
        return False


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


async def _migrate() -> None:
    from prefect.server.database import provide_database_interface  # noqa: PLC0415 - takes seconds
    from prefect.server.models.block_registration import run_block_auto_registration  # noqa: PLC0415

    interface = provide_database_interface()
    await interface.create_db()
    async with await interface.session() as session:
        await run_block_auto_registration(session=session)
        await session.commit()
    await (await interface.engine()).dispose()


def main(descriptor: int, database: Path, template: Path | None) -> None:
    """Serve until the command is gone; without a template from the database that the environment names."""
    threading.Thread(target=end_with, args=(os.getppid(), database.parent), daemon=True).start()
    look_seldom()
    if template:
        prepare(database, template)
    import uvicorn  # noqa: PLC0415 - the copy above needs none of it
    from prefect.server.api.server import create_app  # noqa: PLC0415

    # "webserver only": no service has anything to do where no history is kept
    app = create_app(ephemeral=True, webserver_only=template is not None, final=True)
    config = uvicorn.Config(app, log_level="error", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if sys.argv[3] else None)
