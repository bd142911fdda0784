"""The host of engines: what still loads when it closes is broken off, and nobody waits for ever."""

import asyncio
import threading

import pytest

from tasks.engines.pool import EnginePool, Stopped, open_engines
from warehouse.servers import ServerStats


class Loading:
    """An engine that takes for ever to load."""

    concurrency = group = 1

    def __init__(self):
        self.began = threading.Event()
        self.is_closed = False

    async def start(self):
        self.began.set()
        await asyncio.Event().wait()

    async def close(self):
        self.is_closed = True
        return ()


@pytest.mark.timeout(30)
def test_close_frees_who_waits_for_an_engine_that_still_loads():
    host, engine, outcomes = EnginePool(), Loading(), []

    def wait():
        try:
            host.engine("one", lambda: engine)
        except Stopped as stopped:
            outcomes.append(stopped)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    assert engine.began.wait(10)
    host.close()
    waiting.join(10)
    assert not waiting.is_alive()
    assert len(outcomes) == 1 and engine.is_closed


@pytest.mark.timeout(30)
def test_an_inner_block_ends_its_engines_and_not_the_work_around_it(monkeypatch):
    host, done = EnginePool(), []
    monkeypatch.setattr("tasks.engines.pool.ENGINES", host)
    began, may_end = threading.Event(), threading.Event()

    async def lesson():
        began.set()
        await asyncio.to_thread(may_end.wait, 10)
        return "taught"

    with open_engines():
        around = threading.Thread(target=lambda: done.append(host.run(lesson())), daemon=True)
        around.start()
        assert began.wait(10)
        with open_engines():
            pass
        may_end.set()
        around.join(10)
    assert done == ["taught"]


class Served(Loading):
    """An engine that starts at once, over a server that tells something when it is closed."""

    def __init__(self, url):
        super().__init__()
        self.url = url

    async def start(self):
        self.began.set()

    async def close(self):
        return [] if self.is_closed else [*await super().close(), ServerStats(self.url, "m")]


def test_what_servers_told_belongs_to_every_block_they_were_used_in():
    pool = EnginePool()
    with pool.open() as whole:
        with pool.open() as first:
            pool.engine("a", lambda: Served("a"))
            pool.engine("b", lambda: Served("b"))
        with pool.open() as second:
            pool.engine("c", lambda: Served("c"))
            pool.close_engines()
            assert [server.url for server in whole.servers] == ["a", "b", "c"]
    with pool.open() as later:
        pass
    told = [[server.url for server in block.servers] for block in (whole, first, second, later)]
    assert told == [["a", "b", "c"], ["a", "b"], ["c"], []]
