"""Several endpoints that serve one model: load, loss, return, and what they tell of themselves."""

import asyncio
import contextlib
from dataclasses import asdict

import pytest
from endpoints.scripted import ScriptedEndpoint

from configs.engines import OpenAISettings
from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.openai import replicas as openai_replicas
from tasks.engines.openai.engine import OpenAIEngine
from tasks.engines.openai.metrics import parsed
from tasks.engines.protocol import Completion, EngineError, Message, Request

VLLM_METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="small"} 3.0
vllm:num_requests_running{engine="1",model_name="small"} 2.0
vllm:num_requests_waiting{engine="0",model_name="small"} 7.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="small",reason="capacity"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="small"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="small"} 0.5
vllm:prefix_cache_hits_total{engine="0",model_name="small"} 1.25e+03
vllm:prefix_cache_hits_created{engine="0",model_name="small"} 1.7955576191388292e+09
vllm:generation_tokens_total{engine="0",model_name="other"} 80.0
"""


@pytest.fixture
def pair():
    with ScriptedEndpoint(models=("small",)) as one, ScriptedEndpoint(models=("small",)) as other:
        yield one, other


def request(seed):
    message = Message("user", f"What is {seed} plus 3 ?")
    return Request((message,), Sampling(max_tokens=32), (seed,), "q", (0,))


def form(*endpoints, **settings):
    urls = tuple(endpoint.base_url for endpoint in endpoints)
    given = {"samples_per_request": 1, "retries": 4, "patience_seconds": 2, **settings}
    return OpenAISettings(kind="openai", base_url=urls, **given)


@contextlib.asynccontextmanager
async def started(settings):
    engine = OpenAIEngine(Model(id="small"), settings)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def completed(engine, count, at=None, meanwhile=None):
    """Outcomes of so many requests by seed, 16 at a time; after `at` of them, `meanwhile` is called."""
    held, room = {}, asyncio.Semaphore(16)

    def deliver_to(seed):
        def deliver(_, outcome):
            held.setdefault(seed, []).append(outcome)

        return deliver

    async def one(seed):
        async with room:
            await engine.complete(request(seed), deliver_to(seed))
        if meanwhile and len(held) == at:
            await asyncio.to_thread(meanwhile)

    await asyncio.gather(*map(one, range(count)))
    assert all(len(outcomes) == 1 for outcomes in held.values()) and len(held) == count
    return [outcome for [outcome] in held.values()]


def test_replicas_share_the_load_and_concurrency_counts_each(pair):
    for endpoint in pair:
        endpoint.latency = 0.05

    async def run():
        async with started(form(*pair, concurrency=8)) as engine:
            assert engine.concurrency == 16
            return await completed(engine, 40)

    assert all(isinstance(outcome, Completion) for outcome in asyncio.run(run()))
    assert min(len(endpoint.requests) for endpoint in pair) >= 12


def test_slow_replica_gets_less(pair):
    pair[0].latency, pair[1].latency = 0.2, 0.01

    async def run():
        async with started(form(*pair)) as engine:
            await completed(engine, 80)

    asyncio.run(run())
    slow, quick = (len(endpoint.requests) for endpoint in pair)
    assert slow < quick / 2


def test_requests_of_a_dead_replica_are_sent_to_the_other_without_waiting(pair):
    one, other = pair
    one.latency = other.latency = 0.05

    async def run():
        async with started(form(*pair, retries=1)) as engine:
            return await completed(engine, 60, at=10, meanwhile=one.shut)

    outcomes = asyncio.run(run())
    assert all(isinstance(outcome, Completion) for outcome in outcomes)
    assert any(outcome.num_tries == 2 for outcome in outcomes)


def test_silent_replica_is_drained_and_asked_again_when_it_is_back(pair, monkeypatch):
    for name, seconds in (("PROBE_EVERY_SECONDS", 0.1), ("PROBE_SECONDS", 0.3)):
        monkeypatch.setattr(openai_replicas, name, seconds)
    one, other = pair

    async def run():
        async with started(form(*pair, timeout_seconds=100)) as engine:
            one.silent.set()
            assert all(isinstance(outcome, Completion) for outcome in await completed(engine, 30))
            heard = len(one.requests)
            one.silent.clear()
            async with asyncio.timeout(30):
                while len(one.requests) == heard:
                    await completed(engine, 4)
                    await asyncio.sleep(0.05)

    asyncio.run(run())
    assert other.requests


def test_replica_away_at_the_start_joins_later(pair, monkeypatch):
    monkeypatch.setattr(openai_replicas, "PROBE_EVERY_SECONDS", 0.05)
    one, other = pair
    one.shut()

    async def run():
        async with started(form(*pair)) as engine:
            await completed(engine, 8)
            assert len(other.requests) == 8
            one.open()
            async with asyncio.timeout(30):
                while not one.requests:
                    await completed(engine, 4)

    asyncio.run(run())


def test_all_replicas_away_is_one_error(pair):
    for endpoint in pair:
        endpoint.shut()

    async def run():
        async with started(form(*pair, patience_seconds=0.5)):
            pass

    with pytest.raises(EngineError, match="does not answer"):
        asyncio.run(run())


def test_replica_that_serves_another_model_is_named():
    with ScriptedEndpoint(models=("small",)) as one, ScriptedEndpoint(models=("huge",)) as other:

        async def run():
            async with started(form(one, other)):
                pass

        with pytest.raises(EngineError, match=rf"{other.port}/v1 does not serve small; it serves huge"):
            asyncio.run(run())


def test_busy_replica_gives_way_to_the_other(pair):
    one, other = pair
    one.fault = lambda *_: (503, "overloaded", {})

    async def run():
        async with started(form(*pair, retries=2)) as engine:
            return await completed(engine, 20)

    assert all(isinstance(outcome, Completion) for outcome in asyncio.run(run()))
    assert other.num_samples == 20


def test_metrics_text_is_summed_over_engines_and_read_of_the_model_alone():
    assert parsed(VLLM_METRICS, "small") == {
        "running": 5.0,
        "waiting": 7.0,
        "kv_cache_usage": 0.5,
        "prefix_cache_hits": 1250.0,
    }
    sglang = 'sglang:num_running_reqs{model_name="small"} 4.0\nsglang:token_usage{model_name="small"} 0.5\n'
    assert parsed(sglang, "small") == {"running": 4.0, "kv_cache_usage": 0.5}
    assert parsed("llamacpp:requests_processing 2\n", "small") == {"running": 2.0}
    assert parsed("python_gc_objects_collected_total 3\n", "small") == {}


def test_server_metrics_are_noted_as_what_the_run_added(endpoint):
    endpoint.metrics = lambda: (
        f'vllm:num_requests_running{{model_name="small"}} {endpoint.in_flight}\n'
        f'vllm:generation_tokens_total{{model_name="small"}} {1000 + 25 * endpoint.num_samples}\n'
    )

    async def run():
        async with started(form(endpoint)) as engine:
            await completed(engine, 8)
            told = await engine.close()
            assert await engine.close() == [], "told once"
            return told

    [told] = map(asdict, asyncio.run(run()))
    assert (told["url"], told["completion_tokens"], told["num_restarts"]) == (endpoint.base_url, 200.0, 0)
    assert told["prefix_cache_hits"] is None, "what was not told is not 0"


def test_server_without_metrics_is_noted_by_its_address_alone(endpoint):

    async def run():
        async with started(form(endpoint)) as engine:
            await completed(engine, 2)
            return await engine.close()

    [told] = map(asdict, asyncio.run(run()))
    assert (told["num_reads"], told["max_running"], told["completion_tokens"]) == (0, None, None)
