"""T18, T32, T41: server processes over one Redis find an answer once, and stand alone where there is none."""

import asyncio
import itertools
import signal
import threading
import time

import httpx
import pytest

from cogitate.server.cache import CLAIM_SECONDS
from tests.fakes.redis_server import RedisServer
from tests.resilience.concurrent_clients import Fields, pooled
from tests.resilience.redis_servers import FILE, LOCK, VOTE, bearer, stored, workers
from tests.resilience.server_process import CHAT, HELLO, Server, body, eventually, raw

ASK = HELLO | {"strategy": VOTE}


def spread(servers: list[Server], count: int, at_once: int) -> list[httpx.Response]:
    """So many identical requests, to the servers in turn."""
    urls = itertools.cycle(server.url + CHAT for server in servers)

    async def one(client: httpx.AsyncClient, _: Fields) -> httpx.Response:
        return await client.post(next(urls), json=ASK)

    return asyncio.run(pooled([{}] * count, one, at_once, httpx.Timeout(60)))


def runs(servers: list[Server]) -> float:
    return sum(int(server.counters["started"]) for server in servers) / VOTE["n"]


def locks(redis: RedisServer) -> list[bytes]:
    return [name for name in redis.do("KEYS", "*") if name.endswith(LOCK)]


def paced(servers: list[Server], **knobs: object) -> None:
    for server in servers:
        server.turn(**({"pace": 0.05} | knobs))


def test_t18_two_hundred_at_once_are_one_run_of_three_processes(bar):
    with workers(3) as (redis, servers):
        paced(servers)
        answers = spread(servers, 200, 200)
        made = runs(servers)
        eventually(lambda: not locks(redis))
        for server in servers:
            server.healthy()
    good = sum(answer.status_code == 200 for answer in answers)
    bodies = {answer.json()["cogitate"]["answer"] for answer in answers}
    what = "200 identical requests at once to 3 processes: runs, answered, different answers"
    bar(
        "T18",
        what,
        f"{made:.0f}, {good}, {len(bodies)}",
        "1 (3 where Redis is slow), 200, 1",
        made <= 3 and (good, len(bodies)) == (200, 1),
    )


def test_t18_a_leader_that_leaves_or_fails_fails_nobody(bar):
    with workers(3) as (redis, servers):
        paced(servers)
        with servers[0].socket() as leader:
            leader.sendall(raw(body(strategy=VOTE)))
            eventually(lambda: locks(redis))
            answers: list[httpx.Response] = []
            rest = threading.Thread(target=lambda: answers.extend(spread(servers[1:], 60, 60)))
            rest.start()
            time.sleep(0.1)
        rest.join()
        made = runs(servers)
        eventually(lambda: not locks(redis))
        redis.do("FLUSHALL")
        paced(servers, fail=1.0)
        lost = {answer.status_code for answer in spread(servers, 30, 30)}
        eventually(lambda: not locks(redis))
        left = redis.do("DBSIZE")
        paced(servers, fail=0.0)
        again = spread(servers, 1, 1)[0].status_code
        for server in servers:
            server.healthy()
    good = sum(answer.status_code == 200 for answer in answers)
    what = "the first hangs up while 60 wait elsewhere: answered, runs"
    bar("T18", what, f"{good}, {made:.0f}", "60, 1 more at most", good == 60 and made <= 2)
    figure = f"{left} keys, then {again}"
    bar("T18", f"a run that fails ({lost}) is not kept", figure, "0, then 200", left == 0 and again == 200)


@pytest.mark.faults
def test_t18_a_claim_ends_with_its_process_and_redis(bar):
    with workers(2) as (redis, (first, second)):
        paced([first], pace=5)
        threading.Thread(target=lambda: left(first), daemon=True).start()
        eventually(lambda: locks(redis))
        first.signal(signal.SIGKILL)
        began = time.monotonic()
        after_death = second.ask(strategy=VOTE)
        waited = time.monotonic() - began
        redis.do("FLUSHALL")
        redis.do("SET", "cogitate:1:" + "0" * 64 + ":lock", "somebody's")
        redis.kill()
        began = time.monotonic()
        without = second.ask(strategy=VOTE)
        took = time.monotonic() - began
        second.healthy()
    what = "a process killed while it finds an answer: another answers after"
    met = after_death.status_code == 200 and waited <= CLAIM_SECONDS + 1
    bar("T18", what, f"{waited:.1f} s", f"the claim's {CLAIM_SECONDS} s", met)
    bar("T18", "Redis gone: found by oneself", f"{took:.2f} s", "1 s", without.status_code == 200 and took < 1)


def left(server: Server) -> None:
    try:
        server.ask(strategy=VOTE)
    except httpx.HTTPError:
        return


def test_t32_limits_hold_without_redis(bar):
    keys = FILE.replace(" alice\n", " alice requests_per_minute=5\n")
    with stored(keys=keys) as (redis, server):
        redis.kill()
        statuses = [server.ask(headers=bearer("alice"), strategy=VOTE).status_code for _ in range(12)]
        server.healthy()
    through = statuses.count(200)
    what = "5 requests a minute with Redis dead, 12 sent: let through (limits are each process's own and need no store)"
    bar("T32", what, f"{through} by one process", "5", through == 5 and set(statuses) == {200, 429})


@pytest.mark.faults
def test_t32_t41_limits_of_three_processes_add_up_and_no_more(bar):
    keys = FILE.replace(" alice\n", " alice requests_per_minute=5\n")
    with workers(3, keys=keys) as (_, servers):
        statuses = [server.ask(headers=bearer("alice")).status_code for server in servers for _ in range(10)]
    through = statuses.count(200)
    bar("T32", "5 requests a minute at 3 processes, 30 sent", f"{through} let through", "5 a process", through == 15)
