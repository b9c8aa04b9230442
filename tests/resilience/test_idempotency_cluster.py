"""An Idempotency-Key sent to processes that share a Redis is one run; a crash, disconnect or failure frees it."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.cache import CLAIM_SECONDS
from tests.resilience.measure import wait_until
from tests.resilience.redis_servers import LONG_TEXT, UNCACHED_VOTE, cancel, run_servers, set_pace
from tests.resilience.server_process import Server

pytestmark = pytest.mark.fault("T41")


def count_generations(servers: list[Server]) -> int:
    return sum(int(server.counters["started"]) for server in servers)


@pytest.mark.faults
def test_idempotency_key_is_one_run_of_three_processes(bar):
    with run_servers(3) as (_, servers):
        set_pace(servers, 0.05)
        before, key = count_generations(servers), {"Idempotency-Key": "once"}
        with ThreadPoolExecutor(6) as pool:
            both = [pool.submit(server.ask, headers=key, **UNCACHED_VOTE) for server in servers for _ in range(2)]
            wait_until(lambda: count_generations(servers) > before)
            other = [server.ask(headers=key, strategy="best_of_n").status_code for server in servers]
            responses = [answer.result(20) for answer in both]
        responses += [server.ask(headers=key, **UNCACHED_VOTE) for server in servers]
        other += [server.ask(headers=key, strategy="best_of_n").status_code for server in servers]
        streams = [
            server.ask(headers={"Idempotency-Key": "stream"}, stream=True, **UNCACHED_VOTE).text for server in servers
        ]
        plain = [server.ask(headers={"Idempotency-Key": "plain"}, stream=True).text for server in servers]
        runs = count_generations(servers) - before
        for server in servers:
            server.assert_healthy()
    bodies = {answer.content for answer in responses}
    figure = f"{runs} generations, {len(bodies)} body, {set(other)}"
    what = "a key sent twice at once to each of 3 processes and once more; a vote and a plain stream; another body"
    met = runs == 9 and len(bodies) == 1 and set(other) == {422} and {a.status_code for a in responses} == {200}
    bar(what, figure, "4 + 4 + 1, 1, 422", met)
    complete = all(text.endswith("data: [DONE]\n\n") for text in streams + plain)
    bar(
        "... streams, byte for byte",
        f"{len(set(streams))}, {len(set(plain))}",
        "1, 1",
        complete and len({*streams, *plain}) == 2,
    )


@pytest.mark.faults
def test_idempotency_key_is_freed_by_a_disconnect_and_by_a_failure(bar):
    with run_servers(3) as (_, (first, second, third)):
        set_pace([first], 0.05, LONG_TEXT)
        set_pace([second, third], 0.0)
        key = {"Idempotency-Key": "left"}
        with pytest.raises(httpx.TimeoutException):
            first.ask(timeout=0.2, headers=key, **UNCACHED_VOTE)
        began = time.monotonic()
        after_disconnect = second.ask(headers=key, **UNCACHED_VOTE).status_code
        second.set_knobs(fail=1.0)
        failing = [
            server.ask(headers={"Idempotency-Key": "lost"}, **UNCACHED_VOTE).status_code
            for server in (second, third, second)
        ]
        took = time.monotonic() - began
        second.set_knobs(fail=0.0)
        for server in (first, second, third):
            server.assert_healthy()
    met = after_disconnect == 200 and failing == [502, 200, 200] and took < CLAIM_SECONDS / 2
    figure = f"{after_disconnect}; {failing} in {took:.1f} s"
    bar(
        "the first hangs up: another answers; the first fails: others do",
        figure,
        "200; 502, 200, 200, no lease waited for",
        met,
    )


@pytest.mark.faults
def test_idempotency_key_of_a_killed_process_expires(bar):
    with run_servers(2) as (_, (first, second)):
        set_pace([first], 5.0)
        set_pace([second], 0.0)
        key = {"Idempotency-Key": "k"}
        request = threading.Thread(target=lambda: expect_failure(first, key), daemon=True)
        request.start()
        wait_until(lambda: first.in_flight > 0)
        time.sleep(0.2)
        first.send_signal(signal.SIGKILL)
        began = time.monotonic()
        answer = second.ask(headers=key, **UNCACHED_VOTE).status_code
        waited = time.monotonic() - began
        request.join()
        second.assert_healthy()
    what = "a process is killed amid a request with an Idempotency-Key: another answers after"
    bar(
        what,
        f"{answer}, {waited:.1f} s",
        f"200, {CLAIM_SECONDS} s",
        answer == 200 and waited <= CLAIM_SECONDS + 1,
    )


def expect_failure(server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(httpx.HTTPError):
        server.ask(headers=headers, **UNCACHED_VOTE)


@pytest.mark.faults
def test_processes_work_on_their_own_while_redis_is_dead(bar):
    with run_servers(2) as (redis, servers):
        set_pace(servers, 0.0)
        redis.kill()
        began = time.monotonic()
        responses = [
            server.ask(headers={"Idempotency-Key": "k"}, **UNCACHED_VOTE) for server in servers for _ in range(2)
        ]
        unknown = [cancel(server, "nobody").status_code for server in servers]
        took = time.monotonic() - began
        set_pace(servers, 0.02, LONG_TEXT)
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(servers[0].ask, headers={"X-Request-Id": "here"}, **UNCACHED_VOTE)
            wait_until(lambda: servers[0].in_flight > 0)
            here = cancel(servers[0], "here").status_code
            ended = request.result(10).status_code
        for server in servers:
            server.assert_healthy()
    bodies = [len({answer.content for answer in responses[at : at + 2]}) for at in (0, 2)]
    figure = (
        f"{[answer.status_code for answer in responses]}, {bodies} bodies, {unknown}, {here} and {ended}; {took:.1f} s"
    )
    met = {a.status_code for a in responses} == {200} and bodies == [1, 1] and unknown == [404, 404]
    what = "Redis dead: keys repeated at each of 2 processes, cancels of unknown names, a cancel where it runs"
    bar(what, figure, "200, 1 body each, 404, 200 and 499; 6 s", met and (here, ended) == (200, 499) and took < 6)
