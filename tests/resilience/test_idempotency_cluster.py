"""T41: an Idempotency-Key at three processes over one Redis is one run; whoever dies, leaves or fails frees it."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.cache import CLAIM_SECONDS
from tests.resilience.redis_servers import FRESH, LONG, cancel, paced, workers
from tests.resilience.server_process import Server, eventually


def started(servers: list[Server]) -> int:
    return sum(int(server.counters["started"]) for server in servers)


@pytest.mark.faults
def test_t41_an_idempotency_key_is_one_run_of_three_processes(bar):
    with workers(3) as (_, servers):
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
def test_t41_a_key_whose_first_request_fails_or_leaves_is_free_again(bar):
    with workers(3) as (_, (first, second, third)):
        paced([first], 0.05, LONG)
        paced([second, third], 0.0)
        key = {"Idempotency-Key": "left"}
        with pytest.raises(httpx.TimeoutException):
            first.ask(timeout=0.2, headers=key, **FRESH)
        began = time.monotonic()
        after_leaving = second.ask(headers=key, **FRESH).status_code
        second.turn(fail=1.0)
        lost = [
            server.ask(headers={"Idempotency-Key": "lost"}, **FRESH).status_code for server in (second, third, second)
        ]
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
