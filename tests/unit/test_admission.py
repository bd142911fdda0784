"""The admission: never more than its capacity, earlier ranks first, nothing lost on cancellation."""

import asyncio

import pytest

from tasks.engines.admission import Admission


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def test_room_is_never_exceeded_and_always_used():
    async def scenario():
        admission, inside, peak = Admission(5), 0, 0

        async def work(units):
            nonlocal inside, peak
            await admission.acquire(units, 0)
            inside += units
            peak = max(peak, inside)
            await asyncio.sleep(0.001)
            inside -= units
            admission.release(units)

        await asyncio.gather(*(work(1 + i % 3) for i in range(60)))
        return peak

    assert run(scenario()) == 5


def test_earlier_rank_goes_first():
    async def scenario():
        admission, order = Admission(1), []
        await admission.acquire(1, 0)

        async def work(name, rank):
            await admission.acquire(1, rank)
            order.append(name)
            admission.release(1)

        tasks = [
            asyncio.create_task(work(name, rank)) for name, rank in (("late", 2), ("early", 1), ("later", 2))
        ]
        await asyncio.sleep(0)
        admission.release(1)
        await asyncio.gather(*tasks)
        return order

    assert run(scenario()) == ["early", "late", "later"]


def test_wish_larger_than_the_room_takes_all_of_it():
    async def scenario():
        admission = Admission(2)
        await admission.acquire(9, 0)
        admission.release(9)
        await admission.acquire(2, 0)

    run(scenario())


@pytest.mark.parametrize("is_admitted", [False, True])
def test_cancelled_waiter_blocks_nobody(is_admitted):
    async def scenario():
        admission = Admission(1)
        await admission.acquire(1, 0)
        waiting = asyncio.create_task(admission.acquire(1, 0))
        await asyncio.sleep(0)
        if is_admitted:
            admission.release(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if not is_admitted:
            admission.release(1)
        await admission.acquire(1, 1)

    run(scenario())
