"""T41: what a client does at one process of three holds at the others: cancels and traces; and T1, T9, T28 there.

(T18 is across processes already, and T32 says whose the limits are.)
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
from tests.resilience.redis_servers import FILE, FRESH, LONG, bearer, cancel, paced, workers
from tests.resilience.server_process import CHAT, Probe, Server, eventually, percentile
from tests.resilience.test_disconnects import STATES, WAYS, hung_up
from tests.resilience.test_key_guessing import series
from tests.resilience.test_overload import CAPACITY, PACE, WIDTHS, WORDS, Offered
from tests.resilience.test_overload import FLAGS as ROOM

Trio = tuple[RedisServer, list[Server]]
ROOMY = ("--max-generations", "24", "--max-cost", "100000000")


@pytest.fixture(scope="module")
def trio() -> Iterator[Trio]:
    with workers(3, *ROOMY) as (redis, servers):
        yield redis, servers


def cancels(servers: list[Server], count: int) -> tuple[list[float], list[int], list[int]]:
    """Milliseconds from the cancel until the engine is empty, what the cancels were told, and the requests."""
    times, told, ended = [], [], []
    paced(servers, 0.02, LONG)
    with ThreadPoolExecutor(1) as pool:
        for at in range(count):
            runs, asked = servers[at % 3], servers[(at + 1 + at // 3 % 2) % 3]
            named = {"X-Request-Id": f"mine-{at}"}
            answer = pool.submit(runs.ask, headers=named, cache="no-store", **list(STATES.values())[at % 2])
            eventually(lambda runs=runs: runs.busy > 0)
            began = time.monotonic()
            told.append(cancel(asked, f"mine-{at}").status_code)
            eventually(lambda runs=runs: runs.busy == 0)
            times.append((time.monotonic() - began) * 1000)
            ended.append(answer.result(10).status_code)
    return times, told, ended


def judged_cancels(bar, trio: Trio, count: int) -> None:
    _, servers = trio
    times, told, ended = cancels(servers, count)
    began = time.monotonic()
    unknown = {cancel(server, "never-heard-of").status_code for server in servers}
    took = (time.monotonic() - began) / 3
    for server in servers:
        server.healthy()
    p99 = percentile(times, 99)
    what = f"{count} requests cancelled by name at another process than runs them: told, the requests, until empty p99"
    met = set(told) == {200} and set(ended) == {499} and p99 <= 250
    bar("T41", what, f"{set(told)}, {set(ended)}, {p99:.0f} ms", "200, 499, 250 ms", met)
    bar(
        "T41",
        "a name that nobody knows",
        f"{unknown}, {took * 1000:.0f} ms",
        "404, 500 ms",
        unknown == {404} and took < 0.5,
    )


def test_t41_a_cancel_reaches_the_process_that_runs_it(bar, trio):
    judged_cancels(bar, trio, 6)


@pytest.mark.faults
def test_t41_three_hundred_cancels_reach_the_right_process(bar, trio):
    judged_cancels(bar, trio, 300)


def test_t41_a_trace_is_told_by_any_process(bar, trio):
    _, servers = trio
    paced(servers, 0.0)
    servers[0].ask(headers={"X-Request-Id": "told"}, **FRESH)
    done = {server.get("/v1/traces/told").content for server in servers}
    paced(servers, 0.05, LONG)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(servers[1].ask, headers={"X-Request-Id": "now"}, **FRESH)
        eventually(lambda: servers[1].busy > 0)
        running = [server.get("/v1/traces/now").json()["status"] for server in servers]
        cancel(servers[2], "now")
        asked.result(10)
    missing = {server.get("/v1/traces/nothing").status_code for server in servers}
    for server in servers:
        server.healthy()
    figure = f"{len(done)} trace of a finished search, {set(running)}, {missing}"
    met = len(done) == 1 and set(running) == {"running"} and missing == {404}
    bar("T41", "a trace asked for at 3 processes: finished, under way, unknown", figure, "1, running, 404", met)


def left(servers: list[Server], count: int) -> list[float]:
    """T1, at each process in turn."""
    chance, states = random.Random(41), list(STATES.values())
    paced(servers, 0.02, LONG)
    kinds = [(fields, way) for fields in states for way in WAYS]
    return [hung_up(servers[at % 3], *kinds[at % len(kinds)], chance.uniform(0, 0.05))[0] for at in range(count)]


def judged_leaving(bar, trio: Trio, count: int) -> None:
    redis, servers = trio
    times = left(servers, count)
    for server in servers:
        server.healthy()
    eventually(lambda: not [name for name in redis.do("KEYS", "*") if name.endswith(b":lock")], CLAIM_SECONDS + 1)
    p99, worst = percentile(times, 99), max(times)
    what = f"{count} hang-ups at 3 processes over one Redis: until the engine is empty, p99 and worst; claims left"
    met = p99 <= 250 and worst <= 1000
    bar("T41", what, f"{p99:.0f} ms, {worst:.0f} ms; 0", "250 ms, 1000 ms; 0", met)


def test_t41_a_client_that_hangs_up_at_any_process_frees_it(bar, trio):
    judged_leaving(bar, trio, 9)


@pytest.mark.faults
def test_t41_five_hundred_hang_ups_at_three_processes(bar, trio):
    judged_leaving(bar, trio, 500)


def judged_series(bar, trio: Trio, count: int) -> None:
    _, servers = trio
    paced(servers, 0.0)

    def ask(server: Server, at: int) -> None:
        name = f"{random.Random(at).getrandbits(60):x}"
        headers = {"X-Request-Id": name, "Idempotency-Key": name}
        http.post(server.url + CHAT, json={"model": name, "messages": [], "strategy": name}, headers=headers)
        http.post(f"{server.url}/v1/requests/{name}/cancel")
        http.get(f"{server.url}/v1/traces/{name}")

    with httpx.Client() as http:
        for server in servers:
            ask(server, 0)
            server.ask(headers={"Idempotency-Key": f"warm {server.pid}"}, **FRESH)
            series(server)
        before = [series(server)[0] for server in servers]
        for at in range(count):
            ask(servers[at % 3], at)
        after = [series(server)[0] for server in servers]
    grown = [now - then for now, then in zip(after, before, strict=True)]
    for server in servers:
        server.healthy()
    what = f"{count} random models, strategies, keys, ids, cancels and traces at 3 processes: series more"
    bar("T41", what, f"{grown} of {before}", "0 each", not any(grown))


def test_t41_no_process_makes_labels_of_names(bar, trio):
    judged_series(bar, trio, 60)


@pytest.mark.faults
def test_t41_three_thousand_names_are_no_labels_of_any_process(bar, trio):
    judged_series(bar, trio, 3000)


async def offered_to(servers: list[Server], rate: float, seconds: float) -> list[Offered]:
    told = [Offered() for _ in servers]
    async with asyncio.TaskGroup() as group:
        for each, server in zip(told, servers, strict=True):
            group.create_task(each.run(server, rate, seconds))
    return told


@pytest.mark.faults
def test_t41_overload_at_three_processes_is_refused_by_each(bar):
    rate = 4 * CAPACITY / (PACE * (WORDS + 2)) / (sum(WIDTHS) / len(WIDTHS))
    with workers(3, *ROOM) as (_, servers), Probe(servers[0]) as probe:
        for server in servers:
            server.turn(pace=PACE, texts=["\\boxed{1} " + "and " * (WORDS - 1)])
        memory = [server.memory for server in servers]
        told = asyncio.run(offered_to(servers, rate, 10))
        for server in servers:
            server.healthy()
        grown = max(server.memory - before for server, before in zip(servers, memory, strict=True))
        surplus = sum(server.counters["started"] for server in servers) - sum(each.accepted for each in told)
    statuses = {status for each in told for status in each.statuses}
    refusals, hints = [one for each in told for one in each.refusals], [one for each in told for one in each.hints]
    what = f"{rate:.0f} requests a second at each of 3 processes, 4 times the capacity: statuses"
    met = statuses == {200, 429} and all(each.refusals for each in told)
    bar("T41", what, f"{statuses}, {len(refusals)} refused", "200 and 429 at each", met)
    p99 = percentile(refusals, 99)
    bar("T41", "... refusals, p99", f"{p99:.0f} ms", "100 ms", p99 <= 100)
    named = all(hint.isdecimal() and int(hint) >= 1 for hint in hints)
    bar("T41", "... refusals with a whole Retry-After of 1 or more", "all" if named else "not all", "all", named)
    bar("T41", "... decodes of refused requests", str(surplus), "0", surplus == 0)
    bar("T41", "... memory of each", f"{grown:+.0f} MiB at most", "50 MiB", grown <= 50)
    bar("T41", "... liveness, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100)


@pytest.mark.faults
def test_t41_a_tenant_reaches_only_its_own_at_any_process(bar):
    with workers(2, keys=FILE) as (_, (first, second)):
        first.turn(pace=0.02, texts=[LONG])
        alice, bob = ({"X-Request-Id": "r1"} | bearer(name) for name in ("alice", "bob"))
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(first.ask, headers=alice, **FRESH)
            eventually(lambda: first.busy > 0)
            others = [cancel(second, "r1", **bob).status_code, second.get("/v1/traces/r1", headers=bob).status_code]
            ran_on = first.busy > 0
            own = [second.get("/v1/traces/r1", headers=alice).status_code, cancel(second, "r1", **alice).status_code]
            ended = asked.result(10).status_code
        paced([first, second], 0.0)
        key = {"Idempotency-Key": "k"}
        ids = {
            server.ask(headers=who | key, **FRESH).json()["id"] for server in (first, second) for who in (alice, bob)
        }
        for server in (first, second):
            server.healthy()
    figure = f"{others}, {own}, {ended}; {len(ids)} answers"
    met = others == [404, 404] and ran_on and own == [200, 200] and ended == 499 and len(ids) == 2
    what = (
        "a request at one process, from the other: another tenant's cancel and trace; its own; one key of two tenants"
    )
    bar("T41", what, figure, "404, 404; 200, 200, 499; 2", met)
