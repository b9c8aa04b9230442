"""Cancels and traces work at any of three processes that share a Redis; disconnects, overload and labels too.

Stampedes across processes: test_cache_stampede.py. Limits over processes: test_shared_limits.py.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.cache import CLAIM_SECONDS
from tests.fakes.redis_server import RedisServer
from tests.resilience.background import Probe
from tests.resilience.measure import percentile, wait_until
from tests.resilience.redis_servers import (
    KEYS_FILE,
    LONG_TEXT,
    UNCACHED_VOTE,
    auth_header,
    cancel,
    locks,
    run_servers,
    set_pace,
)
from tests.resilience.server_process import CHAT, Server
from tests.resilience.test_disconnects import STATES, WAYS, ask_and_hang_up
from tests.resilience.test_key_guessing import count_series
from tests.resilience.test_overload import CAPACITY, SECONDS_PER_TOKEN, TOKENS, WIDTHS, OpenLoop
from tests.resilience.test_overload import FLAGS as OVERLOAD_FLAGS

pytestmark = pytest.mark.fault("T41")

Cluster = tuple[RedisServer, list[Server]]
FLAGS = ("--max-generations", "24", "--max-cost", "100000000")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with run_servers(3, *FLAGS) as (redis, servers):
        yield redis, servers


def cancel_elsewhere(servers: list[Server], count: int) -> tuple[list[float], list[int], list[int]]:
    """Cancel requests at another process than runs them.

    Returns milliseconds until the engine is empty, statuses of the cancels, and statuses of the requests.
    """
    times, cancels, ended = [], [], []
    set_pace(servers, 0.02, LONG_TEXT)
    with ThreadPoolExecutor(1) as pool:
        for at in range(count):
            runs, other = servers[at % 3], servers[(at + 1 + at // 3 % 2) % 3]
            headers = {"X-Request-Id": f"mine-{at}"}
            answer = pool.submit(runs.ask, headers=headers, cache="no-store", **list(STATES.values())[at % 2])
            wait_until(lambda runs=runs: runs.in_flight > 0)
            began = time.monotonic()
            cancels.append(cancel(other, f"mine-{at}").status_code)
            wait_until(lambda runs=runs: runs.in_flight == 0)
            times.append((time.monotonic() - began) * 1000)
            ended.append(answer.result(10).status_code)
    return times, cancels, ended


def check_cancels(bar, cluster: Cluster, count: int) -> None:
    _, servers = cluster
    times, cancels, ended = cancel_elsewhere(servers, count)
    began = time.monotonic()
    unknown = {cancel(server, "never-heard-of").status_code for server in servers}
    took = (time.monotonic() - began) / 3
    for server in servers:
        server.assert_healthy()
    p99 = percentile(times, 99)
    what = f"{count} requests cancelled by name at another process than runs them: told, the requests, until empty p99"
    met = set(cancels) == {200} and set(ended) == {499} and p99 <= 250
    bar(what, f"{set(cancels)}, {set(ended)}, {p99:.0f} ms", "200, 499, 250 ms", met)
    bar(
        "a name that nobody knows",
        f"{unknown}, {took * 1000:.0f} ms",
        "404, 500 ms",
        unknown == {404} and took < 0.5,
    )


def test_cancel_reaches_the_process_that_runs_the_request(bar, cluster):
    check_cancels(bar, cluster, 6)


@pytest.mark.faults
def test_three_hundred_cancels_reach_the_process_that_runs_the_request(bar, cluster):
    check_cancels(bar, cluster, 300)


def test_trace_is_available_at_any_process(bar, cluster):
    _, servers = cluster
    set_pace(servers, 0.0)
    servers[0].ask(headers={"X-Request-Id": "done"}, **UNCACHED_VOTE)
    done = {server.get("/v1/traces/done").content for server in servers}
    set_pace(servers, 0.05, LONG_TEXT)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(servers[1].ask, headers={"X-Request-Id": "now"}, **UNCACHED_VOTE)
        wait_until(lambda: servers[1].in_flight > 0)
        running = [server.get("/v1/traces/now").json()["status"] for server in servers]
        cancel(servers[2], "now")
        request.result(10)
    missing = {server.get("/v1/traces/nothing").status_code for server in servers}
    for server in servers:
        server.assert_healthy()
    figure = f"{len(done)} trace of a finished search, {set(running)}, {missing}"
    met = len(done) == 1 and set(running) == {"running"} and missing == {404}
    bar("a trace asked for at 3 processes: finished, under way, unknown", figure, "1, running, 404", met)


def hang_up_at_each(servers: list[Server], count: int) -> list[float]:
    """Hangs up at each process in turn; returns the milliseconds until its engine is empty."""
    chance, states = random.Random(41), list(STATES.values())
    set_pace(servers, 0.02, LONG_TEXT)
    kinds = [(fields, way) for fields in states for way in WAYS]
    return [
        ask_and_hang_up(servers[at % 3], *kinds[at % len(kinds)], chance.uniform(0, 0.05))[0] for at in range(count)
    ]


def check_disconnects(bar, cluster: Cluster, count: int) -> None:
    redis, servers = cluster
    times = hang_up_at_each(servers, count)
    for server in servers:
        server.assert_healthy()
    wait_until(lambda: not locks(redis), CLAIM_SECONDS + 1)
    p99, worst = percentile(times, 99), max(times)
    what = f"{count} hang-ups at 3 processes over one Redis: until the engine is empty, p99 and worst; claims left"
    met = p99 <= 250 and worst <= 1000
    bar(what, f"{p99:.0f} ms, {worst:.0f} ms; 0", "250 ms, 1000 ms; 0", met)


def test_disconnect_empties_the_engine_of_any_process(bar, cluster):
    check_disconnects(bar, cluster, 9)


@pytest.mark.faults
def test_five_hundred_disconnects_empty_the_engines_of_three_processes(bar, cluster):
    check_disconnects(bar, cluster, 500)


def check_series(bar, cluster: Cluster, count: int) -> None:
    _, servers = cluster
    set_pace(servers, 0.0)

    def ask(server: Server, at: int) -> None:
        name = f"{random.Random(at).getrandbits(60):x}"
        headers = {"X-Request-Id": name, "Idempotency-Key": name}
        http.post(server.url + CHAT, json={"model": name, "messages": [], "strategy": name}, headers=headers)
        http.post(f"{server.url}/v1/requests/{name}/cancel")
        http.get(f"{server.url}/v1/traces/{name}")

    with httpx.Client() as http:
        for server in servers:
            ask(server, 0)
            server.ask(headers={"Idempotency-Key": f"warm {server.pid}"}, **UNCACHED_VOTE)
            count_series(server)
        before = [count_series(server)[0] for server in servers]
        for at in range(count):
            ask(servers[at % 3], at)
        after = [count_series(server)[0] for server in servers]
    grown = [now - then for now, then in zip(after, before, strict=True)]
    for server in servers:
        server.assert_healthy()
    what = f"{count} random models, strategies, keys, ids, cancels and traces at 3 processes: series more"
    bar(what, f"{grown} of {before}", "0 each", not any(grown))


def test_names_chosen_by_clients_do_not_become_labels_of_any_process(bar, cluster):
    check_series(bar, cluster, 60)


@pytest.mark.faults
def test_three_thousand_names_do_not_become_labels_of_any_process(bar, cluster):
    check_series(bar, cluster, 3000)


async def offer_load(servers: list[Server], rate: float, seconds: float) -> list[OpenLoop]:
    """Offers `rate` requests per second to each server."""
    loads = [OpenLoop() for _ in servers]
    async with asyncio.TaskGroup() as group:
        for each, server in zip(loads, servers, strict=True):
            group.create_task(each.run(server, rate, seconds))
    return loads


@pytest.mark.faults
def test_each_of_three_overloaded_processes_rejects_excess_requests(bar):
    rate = 4 * CAPACITY / (SECONDS_PER_TOKEN * (TOKENS + 2)) / (sum(WIDTHS) / len(WIDTHS))
    with run_servers(3, *OVERLOAD_FLAGS) as (_, servers), Probe(servers[0]) as probe:
        for server in servers:
            server.set_knobs(pace=SECONDS_PER_TOKEN, texts=["\\boxed{1} " + "and " * (TOKENS - 1)])
        memory = [server.memory for server in servers]
        loads = asyncio.run(offer_load(servers, rate, 10))
        for server in servers:
            server.assert_healthy()
        grown = max(server.memory - before for server, before in zip(servers, memory, strict=True))
        surplus = sum(server.counters["started"] for server in servers) - sum(each.accepted for each in loads)
    statuses = {status for each in loads for status in each.statuses}
    refusals, hints = [one for each in loads for one in each.refusals], [one for each in loads for one in each.hints]
    what = f"{rate:.0f} requests a second at each of 3 processes, 4 times the capacity: statuses"
    met = statuses == {200, 429} and all(each.refusals for each in loads)
    bar(what, f"{statuses}, {len(refusals)} refused", "200 and 429 at each", met)
    p99 = percentile(refusals, 99)
    bar("... refusals, p99", f"{p99:.0f} ms", "100 ms", p99 <= 100)
    valid = all(hint.isdecimal() and int(hint) >= 1 for hint in hints)
    bar("... refusals with a whole Retry-After of 1 or more", "all" if valid else "not all", "all", valid)
    bar("... decodes of refused requests", str(surplus), "0", surplus == 0)
    bar("... memory of each", f"{grown:+.0f} MiB at most", "50 MiB", grown <= 50)
    bar("... liveness, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100)


@pytest.mark.faults
def test_tenant_reaches_only_its_own_requests_at_any_process(bar):
    with run_servers(2, keys=KEYS_FILE) as (_, (first, second)):
        first.set_knobs(pace=0.02, texts=[LONG_TEXT])
        alice, carol = ({"X-Request-Id": "r1"} | auth_header(name) for name in ("alice", "carol"))
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(first.ask, headers=alice, **UNCACHED_VOTE)
            wait_until(lambda: first.in_flight > 0)
            foreign = [
                cancel(second, "r1", **carol).status_code,
                second.get("/v1/traces/r1", headers=carol).status_code,
            ]
            ran_on = first.in_flight > 0
            own = [second.get("/v1/traces/r1", headers=alice).status_code, cancel(second, "r1", **alice).status_code]
            ended = request.result(10).status_code
        set_pace([first, second], 0.0)
        key = {"Idempotency-Key": "k"}
        ids = {
            server.ask(headers=who | key, **UNCACHED_VOTE).json()["id"]
            for server in (first, second)
            for who in (alice, carol)
        }
        for server in (first, second):
            server.assert_healthy()
    figure = f"{foreign}, {own}, {ended}; {len(ids)} answers"
    met = foreign == [404, 404] and ran_on and own == [200, 200] and ended == 499 and len(ids) == 2
    what = (
        "a request at one process, from the other: another tenant's cancel and trace; its own; one key of two tenants"
    )
    bar(what, figure, "404, 404; 200, 200, 499; 2", met)
