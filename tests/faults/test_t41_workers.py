"""T41: what a client does at one process of three holds at the others: cancels, idempotency keys, traces; and T1, T28.

(T18 is across processes already, T32 says whose the limits are. Without the clock of a busy machine, what keys do is
also held to in tests/server/test_others.py.)
"""

import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from server.cache import CLAIM_SECONDS
from tests.faults.rig import CHAT, Server, eventually, percentile
from tests.faults.stores import FILE, VOTE, bearer, workers
from tests.faults.test_t01_leaving import STATES, WAYS, hung_up
from tests.faults.test_t09_overload import FLAGS as ROOM
from tests.faults.test_t09_overload import vote
from tests.faults.test_t35_guessing import series
from tests.redis_server import RedisServer

Trio = tuple[RedisServer, list[Server]]
ROOMY = ("--max-generations", "24", "--max-cost", "100000000")
LONG = "first \n\n then \n\n so it is \\boxed{42} " + "and on " * 200
FRESH = {"strategy": VOTE, "cache": "no-store"}


@pytest.fixture(scope="module")
def trio() -> Iterator[Trio]:
    with workers(3, *ROOMY) as (redis, servers):
        yield redis, servers


def paced(servers: list[Server], pace: float, *texts: str) -> None:
    for server in servers:
        server.turn(pace=pace, texts=list(texts) or [f"so it is \\boxed{{{server.pid}}}"])


def started(servers: list[Server]) -> int:
    return sum(int(server.counters["started"]) for server in servers)


def cancel(server: Server, name: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/requests/{name}/cancel", headers=headers, timeout=5)


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


@pytest.mark.faults
def test_t41_an_idempotency_key_is_one_run_of_three_processes(bar, trio):
    _, servers = trio
    paced(servers, 0.05)
    before, key = started(servers), {"Idempotency-Key": "once"}
    with ThreadPoolExecutor(6) as pool:
        both = [pool.submit(server.ask, headers=key, **FRESH) for server in servers for _ in range(2)]
        eventually(lambda: started(servers) > before)
        other = [server.ask(headers=key, strategy="best_of_n").status_code for server in servers]
        told = [answer.result(20) for answer in both]
    told += [server.ask(headers=key, **FRESH) for server in servers]
    other += [server.ask(headers=key, strategy="best_of_n").status_code for server in servers]
    streams = [server.ask(headers={"Idempotency-Key": "stream"}, stream=True, **FRESH).text for server in servers]
    plain = [server.ask(headers={"Idempotency-Key": "plain"}, stream=True).text for server in servers]
    runs = started(servers) - before
    for server in servers:
        server.healthy()
    bodies = {answer.content for answer in told}
    figure = f"{runs} generations, {len(bodies)} body, {set(other)}"
    what = "a key sent twice at once to each of 3 processes and once more; a vote and a plain stream; another body"
    met = runs == 9 and len(bodies) == 1 and set(other) == {422} and {a.status_code for a in told} == {200}
    bar("T41", what, figure, "4 + 4 + 1, 1, 422", met)
    whole = all(text.endswith("data: [DONE]\n\n") for text in streams + plain)
    bar(
        "T41",
        "... streams, byte for byte",
        f"{len(set(streams))}, {len(set(plain))}",
        "1, 1",
        whole and len({*streams, *plain}) == 2,
    )


@pytest.mark.faults
def test_t41_a_key_whose_first_request_fails_or_leaves_is_free_again(bar, trio):
    _, (first, second, third) = trio
    paced([first], 0.05, LONG)
    paced([second, third], 0.0)
    key = {"Idempotency-Key": "left"}
    with pytest.raises(httpx.TimeoutException):
        first.ask(timeout=0.2, headers=key, **FRESH)
    began = time.monotonic()
    after_leaving = second.ask(headers=key, **FRESH).status_code
    second.turn(fail=1.0)
    lost = [server.ask(headers={"Idempotency-Key": "lost"}, **FRESH).status_code for server in (second, third, second)]
    took = time.monotonic() - began
    second.turn(fail=0.0)
    for server in (first, second, third):
        server.healthy()
    met = after_leaving == 200 and lost == [502, 200, 200] and took < CLAIM_SECONDS / 2
    figure = f"{after_leaving}; {lost} in {took:.1f} s"
    bar(
        "T41",
        "the first hangs up: another answers; the first fails: others do",
        figure,
        "200; 502, 200, 200, no lease waited for",
        met,
    )


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


@pytest.mark.faults
def test_t41_a_process_that_dies_gives_up_its_idempotency_key(bar):
    with workers(2) as (_, (first, second)):
        paced([first], 5.0)
        paced([second], 0.0)
        key = {"Idempotency-Key": "k"}
        asked = threading.Thread(target=lambda: lost(first, key), daemon=True)
        asked.start()
        eventually(lambda: first.busy > 0)
        time.sleep(0.2)
        first.signal(signal.SIGKILL)
        began = time.monotonic()
        answer = second.ask(headers=key, **FRESH).status_code
        waited = time.monotonic() - began
        asked.join()
        second.healthy()
    what = "a process is killed amid a request with an Idempotency-Key: another answers after"
    bar(
        "T41",
        what,
        f"{answer}, {waited:.1f} s",
        f"200, {CLAIM_SECONDS} s",
        answer == 200 and waited <= CLAIM_SECONDS + 1,
    )


def lost(server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(httpx.HTTPError):
        server.ask(headers=headers, **FRESH)


@pytest.mark.faults
def test_t41_without_redis_each_process_goes_by_itself(bar):
    with workers(2) as (redis, servers):
        paced(servers, 0.0)
        redis.kill()
        began = time.monotonic()
        told = [server.ask(headers={"Idempotency-Key": "k"}, **FRESH) for server in servers for _ in range(2)]
        unknown = [cancel(server, "nobody").status_code for server in servers]
        took = time.monotonic() - began
        paced(servers, 0.02, LONG)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(servers[0].ask, headers={"X-Request-Id": "here"}, **FRESH)
            eventually(lambda: servers[0].busy > 0)
            here = cancel(servers[0], "here").status_code
            ended = asked.result(10).status_code
        for server in servers:
            server.healthy()
    bodies = [len({answer.content for answer in told[at : at + 2]}) for at in (0, 2)]
    figure = f"{[answer.status_code for answer in told]}, {bodies} bodies, {unknown}, {here} and {ended}; {took:.1f} s"
    met = {a.status_code for a in told} == {200} and bodies == [1, 1] and unknown == [404, 404]
    what = "Redis dead: keys repeated at each of 2 processes, cancels of unknown names, a cancel where it runs"
    bar(
        "T41", what, figure, "200, 1 body each, 404, 200 and 499; 6 s", met and (here, ended) == (200, 499) and took < 6
    )


@pytest.mark.faults
def test_t41_overload_at_three_processes_is_refused_by_each(bar):
    with workers(3, *ROOM) as (_, servers), httpx.Client(timeout=60) as http, ThreadPoolExecutor(96) as pool:
        for server in servers:
            server.turn(pace=0.02, texts=["\\boxed{1} " + "and " * 9])

        def ask(at: int) -> tuple[int, float, str]:
            answer = http.post(servers[at % 3].url + CHAT, json=vote((1, 8, 64)[at % 7 % 3]))
            return answer.status_code, answer.elapsed.total_seconds() * 1000, answer.headers.get("retry-after", "")

        told = list(pool.map(ask, range(900)))
        for server in servers:
            server.healthy()
    statuses, refusals = {status for status, *_ in told}, [took for status, took, _ in told if status == 429]
    hints = all(hint.isdecimal() and int(hint) >= 1 for status, _, hint in told if status == 429)
    figure = (
        f"{statuses}, {len(refusals)} refused, p50 {percentile(refusals, 50):.0f} ms, {'all' if hints else 'not all'}"
    )
    what = "900 votes of 1, 8 and 64, 96 at once, at 3 processes: statuses, refusals, with a Retry-After"
    bar("T41", what, figure, "200 and 429, all", statuses == {200, 429} and hints)


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
