"""How many sequences are kept in flight, in simulated time: the real pacing and admission against servers of any kind."""

import random

import pytest
from endpoints.simulated import SimulatedServer, drive

from tasks.engines.openai.concurrency import FIRST, MOST, Concurrency
from tasks.engines.openai.faults import TransientError
from tasks.engines.openai.limits import Limits, seconds_of, wait_told

LATENCY = 0.2


@pytest.fixture(autouse=True)
def same_jitter():
    random.seed(7)


def changing(before, after, at):
    return lambda num_answered: before if num_answered < at else after


@pytest.mark.parametrize("way", [0.001, 0.01], ids=["near", "far"])
@pytest.mark.parametrize("queues", [True, False], ids=["queues", "refuses"])
@pytest.mark.parametrize(
    ("capacity", "num_requests", "ideal"),
    [
        (lambda _: 16, 2000, 2000 / 16 * LATENCY),
        (lambda _: 64, 4000, 4000 / 64 * LATENCY),
        (lambda _: 256, 6000, 6000 / 256 * LATENCY),
        (changing(256, 32, 8000), 16000, 8000 / 256 * LATENCY + 8000 / 32 * LATENCY),
    ],
    ids=["16", "64", "256", "256 then 32"],
)
def test_server_is_kept_full_and_hardly_ever_refuses(capacity, num_requests, ideal, queues, way):
    server = SimulatedServer(capacity, queues, way=way)
    drive(server, num_requests)
    assert server.num_answered == num_requests
    assert server.ended - server.began <= 1.15 * ideal
    assert server.num_refused <= 0.02 * server.num_sent


def test_capacity_that_grows_is_found():
    server = SimulatedServer(changing(32, 256, 4000), queues=False)
    pace = drive(server, 16000)
    assert pace.concurrency.window > 200
    assert server.num_refused <= 0.01 * server.num_sent


def test_server_that_queues_is_not_handed_everything():
    """Its queue would hold what another user asks, and run into the time limits of single requests."""
    server = SimulatedServer(lambda _: 32, queues=True)
    assert drive(server, 6000).concurrency.window <= 256


@pytest.mark.parametrize("queues", [True, False])
def test_answers_of_ten_minutes_cost_no_more_than_with_the_number_known_beforehand(queues):
    rng = random.Random(3)
    seconds = [rng.expovariate(1 / 600) for _ in range(3000)]

    def span(**settings):
        server = SimulatedServer(lambda _: 128, queues, latency=seconds.__getitem__)
        drive(server, len(seconds), **settings)
        return server.ended - server.began

    assert span() <= 1.1 * span(concurrency=Concurrency(128, 128))


def per_minute(limit, *, tells, seconds=60):
    """Headers of a server that takes so many requests in each whole minute, or so many seconds."""
    taken = {}

    def headers(now):
        minute = int(now // seconds)
        if taken.get(minute, 0) >= limit:
            return None
        taken[minute] = taken.get(minute, 0) + 1
        left = {"x-ratelimit-remaining-requests": str(limit - taken[minute])}
        return left | {"x-ratelimit-reset-requests": f"{seconds - now % seconds:.3f}s"} if tells else {}

    return headers


@pytest.mark.parametrize("tells", ["headers", "retry-after", "nothing"])
def test_limit_per_minute_is_used_up_and_hardly_ever_passed(tells):
    limit, num_requests = 300, 1780
    server = SimulatedServer(
        lambda _: 10_000,
        queues=True,
        headers=per_minute(limit, tells=tells == "headers"),
        retry_after=(lambda now: 60 - now % 60) if tells == "retry-after" else None,
    )
    drive(server, num_requests, patience=120)
    most_refused = {"headers": 0.02, "retry-after": 0.3, "nothing": 0.5}[tells]
    assert server.ended - server.began <= 5 * 60 + 45
    assert server.num_refused <= most_refused * num_requests


@pytest.mark.parametrize("seed", range(25))
def test_limit_per_second_and_a_half_costs_no_more_refusals_than_answers(seed):
    random.seed(seed)
    server = SimulatedServer(
        lambda _: 10_000, queues=True, headers=per_minute(10, tells=False, seconds=1.5), latency=lambda _: 0.0
    )
    drive(server, 40, patience=20, concurrency=Concurrency(16, 16))
    assert server.num_answered == 40
    assert server.num_sent <= 40 * 2


@pytest.mark.parametrize(
    ("given", "ideal"), [({"requests_per_minute": 120}, 600.0), ({"tokens_per_minute": 60_000}, 600.0)]
)
def test_limits_set_by_hand_are_kept_to(given, ideal):
    server = SimulatedServer(lambda _: 10_000, queues=True)
    drive(server, 1200, limits=Limits(**given), tokens=lambda _: 500 if "tokens_per_minute" in given else 1)
    wanted = ideal if "requests_per_minute" in given else 1200 * 500 / 60_000 * 60
    assert 0.9 * wanted <= server.ended - server.began <= 1.05 * wanted
    assert server.num_refused == 0


def test_endpoint_that_refuses_for_ever_is_given_up_after_a_handful_of_requests():
    server = SimulatedServer(lambda _: 0, queues=False)
    with pytest.raises(ExceptionGroup) as lost:
        drive(server, 500, patience=60)
    assert lost.value.subgroup(TransientError)
    assert server.num_sent <= 2 * FIRST


@pytest.mark.parametrize("seed", range(25))
def test_whatever_a_server_does_all_is_answered_and_little_is_refused(seed):
    """Capacities that jump, latencies of any spread, with and without a queue."""
    rng = random.Random(seed)
    steps = [rng.choice([4, 8, 20, 50, 100, 400]) for _ in range(4)]
    spread = rng.choice([0.0, 0.5, 1.0])
    seconds = [rng.choice([0.05, 0.2, 5.0]) * (1 + spread * rng.expovariate(1)) for _ in range(3000)]
    server = SimulatedServer(
        lambda answered: steps[min(3, answered // 750)], rng.random() < 0.4, latency=seconds.__getitem__
    )
    pace = drive(server, 3000, patience=3600)
    assert server.num_answered == 3000
    assert pace.in_flight == 0
    assert 1 <= pace.concurrency.window <= MOST
    assert server.num_refused <= 0.2 * server.num_sent


# --- the parts alone ----------------------------------------------------------------------------


def test_queue_that_a_server_reports_shrinks_the_window_and_an_idle_server_grows_it():
    found = Concurrency()
    found.observed(0.0, running=64, waiting=0)
    assert found.window > FIRST
    found.observed(1.0, running=48, waiting=40)
    assert found.window == 54, "what it works on, and an eighth more"
    for second in range(2, 6):
        found.observed(float(second), running=found.window, waiting=0)
    assert found.window > 200


def test_number_that_is_set_is_never_passed():
    fixed = Concurrency(8, 8)
    for step in range(1000):
        fixed.answered(step * 0.1, 1, 100, 8)
        fixed.observed(step * 0.1, running=8, waiting=0)
        assert fixed.window == 8
    fixed.turned_away(100.0, 4, is_rate=False, is_first=True)
    assert fixed.window == 4
    for step in range(1000):
        fixed.answered(100 + step * 0.1, 1, 100, fixed.window)
    assert fixed.window == 8


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("20", 20),
        ("0", 0),
        ("1.5", 1.5),
        ("20ms", 0.02),
        ("6m0s", 360),
        ("2m59.56s", 179.56),
        ("1h2m", 3720),
        ("-3", 0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("2015-10-21T07:28:00Z", 0),
    ],
)
def test_times_are_read_in_every_form(told, seconds):
    assert seconds_of(told) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After-Ms": "250"}, "", 0.25),
        ({"Retry-After": "3"}, "Please try again in 20s.", 3),
        ({}, "Limit 3, Used 3, Requested 1. Please try again in 20s. Visit …", 20),
        ({}, "Please retry in 34.074824224s.", 34.074824224),
        ({}, "Please retry after 12 seconds", 12),
        ({}, "Please try again in 1m30.5s", 90.5),
        ({}, "try again in 500MS", 0.5),
        ({}, "Please wait 2 minutes", 120),
        ({}, "Please try again later", None),
        ({}, "try again in 5 sweeps", None),
    ],
)
def test_wait_is_told_in_headers_or_in_words(headers, message, seconds):
    assert wait_told(headers, message) == (None if seconds is None else pytest.approx(seconds))
