"""The limits of a key hold over three processes that share a Redis, under load: never exceeded, and used up."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.resilience.concurrent_clients import Fields, post_simultaneously
from tests.resilience.measure import wait_until
from tests.resilience.redis_servers import run_servers
from tests.resilience.server_process import Server
from tests.resilience.test_key_limits import FLAGS, VOTE, auth_header, build_key, build_keys_file, new_question

pytestmark = [pytest.mark.fault("T31", "T32"), pytest.mark.faults]
REQUESTS, TOKENS, GENERATIONS = 300, 6000, 60
MAX_TOKENS = 20
LIMITS = {
    "rate": f"requests_per_minute={REQUESTS}",
    "day": f"tokens_per_day={TOKENS}",
    "many": f"generations={GENERATIONS}",
}
Answers = list[tuple[int, dict[str, object], float]]


def post_to_each(
    servers: list[Server], name: str, count: int, *, on_quiet: Callable[[], object] = lambda: None, **fields: object
) -> Answers:
    """Send `count` requests to each server, all at the same moment."""

    def post(server: Server) -> Answers:
        requests: list[Fields] = [new_question() | {"max_tokens": MAX_TOKENS} | fields for _ in range(count)]
        return post_simultaneously(server, requests, auth_header(name), on_quiet=on_quiet)

    with ThreadPoolExecutor(len(servers)) as pool:
        return [answer for answers in pool.map(post, servers) for answer in answers]


def count_statuses(answers: Answers) -> Counter[int]:
    return Counter(status for status, *_ in answers)


def read_usage(server: Server, name: str) -> dict[str, dict[str, int]]:
    return server.get("/v1/usage", headers={"Authorization": f"Bearer {build_key(name)}"}).json()


def check_requests(bar, servers: list[Server]) -> None:
    within = count_statuses(post_to_each(servers, "rate", REQUESTS // 3))
    beyond = count_statuses(post_to_each(servers, "rate", 100))
    figure = f"{dict(within)} within, {dict(beyond)} beyond"
    met = within == {200: REQUESTS} and beyond == {429: 300}
    bar(f"{REQUESTS} requests a minute at 3 processes", figure, f"all {REQUESTS}, then none", met, row="T31")


def check_tokens(bar, servers: list[Server]) -> None:
    """Each request reserves MAX_TOKENS and may decode less: the rest is given back, and used by later ones."""
    decoded, refused = 0, 0
    while refused < 300:
        answers = post_to_each(servers, "day", 100)
        decoded += sum(body["usage"]["completion_tokens"] for status, body, _ in answers if status == 200)
        refused = count_statuses(answers)[429]
        wait_until(lambda: read_usage(servers[0], "day")["tokens_per_day"]["used"] == decoded)  # noqa: B023 runs now
    figure = f"{decoded} tokens decoded"
    met = TOKENS - MAX_TOKENS < decoded <= TOKENS
    bar(f"{TOKENS} tokens a day at 3 processes", figure, f"{TOKENS - MAX_TOKENS} to {TOKENS}", met, row="T31")


def check_generations(bar, servers: list[Server]) -> None:
    all_quiet = Barrier(len(servers))

    def resume() -> None:
        all_quiet.wait(60)
        for server in servers:
            server.set_knobs(hang=False)

    admitted = list[int]()
    for width in (1, 3):
        for server in servers:
            server.set_knobs(hang=True)
        answers = post_to_each(servers, "many", 100, on_quiet=resume, strategy=VOTE | {"n": width})
        admitted.append(count_statuses(answers)[200] * width)
        wait_until(lambda: read_usage(servers[0], "many")["generations"]["in_flight"] == 0)
    most, least = max(admitted), min(admitted)
    met = most <= GENERATIONS and least >= 0.95 * GENERATIONS
    bar(
        f"{GENERATIONS} generations in flight at 3 processes", f"{admitted}", f"{GENERATIONS}, 5 % less", met, row="T31"
    )


def test_limits_of_a_key_hold_over_three_processes(bar):
    with run_servers(3, *FLAGS, keys=build_keys_file(LIMITS)) as (_, servers):
        check_requests(bar, servers)
        check_tokens(bar, servers)
        check_generations(bar, servers)
        for server in servers:
            server.assert_healthy()


def test_limits_hold_in_each_process_while_redis_is_down(bar):
    with run_servers(3, *FLAGS, keys=build_keys_file(LIMITS)) as (redis, servers):
        redis.kill()
        statuses = [count_statuses(post_to_each([server], "rate", 400)) for server in servers]
        faults = [
            server.get("/metrics").text.count('cogitate_cache_total{result="unavailable"} 0.0') for server in servers
        ]
        redis.start()
        for server in servers:
            server.assert_healthy()
    met = all(each == {200: REQUESTS, 429: 100} for each in statuses) and not any(faults)
    what = f"Redis down, {REQUESTS} requests a minute: let in by each of 3 processes"
    bar(what, f"{[each[200] for each in statuses]}", f"{REQUESTS} each, with a counter", met, row="T32")
