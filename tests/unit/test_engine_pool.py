"""The host of engines: what still loads when it closes is broken off, and nobody waits for ever."""

import asyncio
import threading

import pytest

from tasks.engines.pool import EnginePool, Stopped, open_engines


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
