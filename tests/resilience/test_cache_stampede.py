"""Server processes that share a Redis compute the answer to identical requests once, and work without the Redis."""

import asyncio
import itertools
import signal
import threading
import time

import httpx
import pytest

from cogitate.server.cache import CLAIM_SECONDS
from tests.resilience.concurrent_clients import Fields, map_requests
from tests.resilience.measure import wait_until
from tests.resilience.redis_servers import KEYS_FILE, VOTE, answer_keys, auth_header, locks, run_server, run_servers
from tests.resilience.server_process import CHAT, HELLO, Server, body, raw

VOTE_REQUEST = HELLO | {"strategy": VOTE}


def post_identical(servers: list[Server], count: int, concurrency: int) -> list[httpx.Response]:
    """Post `count` identical requests to the servers in turn."""
    urls = itertools.cycle(server.url + CHAT for server in servers)

    async def post(client: httpx.AsyncClient, _: Fields) -> httpx.Response:
        return await client.post(next(urls), json=VOTE_REQUEST)

    return asyncio.run(map_requests([{}] * count, post, concurrency, httpx.Timeout(60)))


def count_runs(servers: list[Server]) -> float:
    return sum(int(server.counters["started"]) for server in servers) / VOTE["n"]


def set_knobs(servers: list[Server], **knobs: object) -> None:
    for server in servers:
        server.set_knobs(**({"pace": 0.2} | knobs))


@pytest.mark.fault("T18")
def test_two_hundred_identical_requests_to_three_processes_share_one_run(bar):
    with run_servers(3) as (redis, servers):
        set_knobs(servers)
        answers = post_identical(servers, 200, 200)
        runs = count_runs(servers)
        wait_until(lambda: not locks(redis))
        for server in servers:
            server.assert_healthy()
    good = sum(answer.status_code == 200 for answer in answers)
    bodies = {answer.json()["cogitate"]["answer"] for answer in answers}
    what = "200 identical requests at once to 3 processes: runs, answered, different answers"
    bar(
        what,
        f"{runs:.0f}, {good}, {len(bodies)}",
        "1 (3 where Redis is slow), 200, 1",
        runs <= 3 and (good, len(bodies)) == (200, 1),
    )


@pytest.mark.fault("T18")
def test_followers_get_an_answer_when_the_leader_disconnects_or_fails(bar):
    with run_servers(3) as (redis, servers):
        set_knobs(servers)
        with servers[0].connect() as leader:
            leader.sendall(raw(body(strategy=VOTE)))
            wait_until(lambda: locks(redis))
            answers: list[httpx.Response] = []
            followers = threading.Thread(target=lambda: answers.extend(post_identical(servers[1:], 60, 60)))
            followers.start()
            time.sleep(0.1)
        followers.join()
        runs = count_runs(servers)
        wait_until(lambda: not locks(redis))
        redis.do("FLUSHALL")
        set_knobs(servers, fail=1.0)
        failed = {answer.status_code for answer in post_identical(servers, 30, 30)}
        wait_until(lambda: not locks(redis))
        keys = len(answer_keys(redis))
        set_knobs(servers, fail=0.0)
        again = post_identical(servers, 1, 1)[0].status_code
        for server in servers:
            server.assert_healthy()
    good = sum(answer.status_code == 200 for answer in answers)
    what = "the first hangs up while 60 wait elsewhere: answered, runs"
    bar(what, f"{good}, {runs:.0f}", "60, 1 more at most", good == 60 and runs <= 2)
    figure = f"{keys} keys, then {again}"
    bar(f"a run that fails ({failed}) is not kept", figure, "0, then 200", keys == 0 and again == 200)


@pytest.mark.fault("T18")
@pytest.mark.faults
def test_claim_of_a_killed_process_expires_and_a_dead_redis_is_not_waited_for(bar):
    with run_servers(2) as (redis, (first, second)):
        set_knobs([first], pace=5)
        threading.Thread(target=lambda: ask_dying_server(first), daemon=True).start()
        wait_until(lambda: locks(redis))
        first.send_signal(signal.SIGKILL)
        began = time.monotonic()
        after_death = second.ask(strategy=VOTE)
        waited = time.monotonic() - began
        redis.do("FLUSHALL")
        redis.do("SET", "cogitate:1:" + "0" * 64 + ":lock", "somebody's")
        redis.kill()
        began = time.monotonic()
        without = second.ask(strategy=VOTE)
        took = time.monotonic() - began
        second.assert_healthy()
    what = "a process killed while it finds an answer: another answers after"
    met = after_death.status_code == 200 and waited <= CLAIM_SECONDS + 1
    bar(what, f"{waited:.1f} s", f"the claim's {CLAIM_SECONDS} s", met)
    bar("Redis gone: found by oneself", f"{took:.2f} s", "1 s", without.status_code == 200 and took < 1)


def ask_dying_server(server: Server) -> None:
    try:
        server.ask(strategy=VOTE)
    except httpx.HTTPError:
        return


@pytest.mark.fault("T32")
def test_request_rate_limit_holds_while_redis_is_dead(bar):
    keys = KEYS_FILE.replace(" alice\n", " alice requests_per_minute=5\n")
    with run_server(keys=keys) as (redis, server):
        redis.kill()
        statuses = [server.ask(headers=auth_header("alice"), strategy=VOTE).status_code for _ in range(12)]
        server.assert_healthy()
    through = statuses.count(200)
    what = "5 requests a minute with Redis dead, 12 sent: let through (limits are each process's own and need no store)"
    bar(what, f"{through} by one process", "5", through == 5 and set(statuses) == {200, 429})


@pytest.mark.fault("T32", "T41")
@pytest.mark.faults
def test_request_rate_limit_holds_over_three_processes(bar):
    keys = KEYS_FILE.replace(" alice\n", " alice requests_per_minute=5\n")
    with run_servers(3, keys=keys) as (_, servers):
        statuses = [server.ask(headers=auth_header("alice")).status_code for server in servers for _ in range(10)]
    through = statuses.count(200)
    bar("5 requests a minute at 3 processes, 30 sent", f"{through} let through", "5", through == 5)
