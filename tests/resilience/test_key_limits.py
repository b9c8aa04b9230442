"""The limits of a key are exact under many simultaneous requests and under every Redis fault."""

import hashlib
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.resilience.concurrent_clients import Fields, post_simultaneously
from tests.resilience.redis_faults import FAULTS
from tests.resilience.redis_servers import question, run_server
from tests.resilience.server_process import Server

CONCURRENT_REQUESTS, ROUNDS = 500, 20
FLAGS = ("--max-concurrent-requests", "1000", "--max-generations", "4096", "--max-cost", "1000000")
RATE, GENERATIONS, COST = 120, 40, 1000
LIMITS = {"rate": f"requests_per_minute={RATE}", "many": f"generations={GENERATIONS}", "dear": f"max_cost={COST}"}
NUMBERS = itertools.count()
VOTE = {"name": "self_consistency", "stop_rule": "none"}


def build_key(name: str) -> str:
    return f"cog-{name:_<32}"


def build_keys_file(limits: dict[str, str]) -> str:
    return "".join(
        f"{hashlib.sha256(build_key(name).encode()).hexdigest()} {name} {limit}\n" for name, limit in limits.items()
    )


def auth_header(name: str) -> str:
    return f"Authorization: Bearer {build_key(name)}"


def new_question() -> dict[str, object]:
    """Build a question that was not sent before: it is looked up in Redis, and shares no search with another."""
    return question(f"of {next(NUMBERS)}?")


@dataclass(slots=True)
class Window:
    """Compares the admitted requests of a key with what its limit admits in the minutes since the first."""

    name: str
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)

    def send(self, server: Server, count: int) -> None:
        self.statuses.update(
            status
            for status, *_ in post_simultaneously(
                server, [new_question() for _ in range(count)], auth_header(self.name)
            )
        )
        self.ended = time.monotonic()

    @property
    def over(self) -> float:
        """Requests admitted above the limit."""
        return self.statuses[200] - RATE * (1 + int((self.ended - self.began) / 60))


def fill_generations(server: Server, name: str, count: int, chance: random.Random) -> tuple[int, Counter[int]]:
    """Send `count` simultaneous votes to a hung engine; returns the generations admitted, and the statuses."""
    widths = [chance.choice([1, 1, 3, 8]) for _ in range(count)]
    requests = [new_question() | {"strategy": VOTE | {"n": width}} for width in widths]
    server.set_knobs(hang=True)
    answers = post_simultaneously(server, requests, auth_header(name), on_quiet=lambda: server.set_knobs(hang=False))
    statuses = [status for status, *_ in answers]
    return sum(width for width, status in zip(widths, statuses, strict=True) if status == 200), Counter(statuses)


@pytest.mark.fault("T31")
@pytest.mark.faults
@pytest.mark.timeout(600)
def test_no_limit_of_a_key_is_exceeded_by_ten_thousand_requests(bar, scale):
    """Send 500 simultaneous requests per round on real sockets, for each limit."""
    rounds, chance = max(1, int(ROUNDS * scale)), random.Random(31)
    tries = rounds * CONCURRENT_REQUESTS
    with Server(flags=FLAGS, keys=build_keys_file(LIMITS)) as server:
        rate = Window("rate")
        for _ in range(rounds):
            rate.send(server, CONCURRENT_REQUESTS)
        over = rate.over
        before = server.counters["started"]
        admitted = [fill_generations(server, "many", CONCURRENT_REQUESTS, chance) for _ in range(rounds)]
        started = server.counters["started"] - before
        costly = [misjudged_costs(server, chance) for _ in range(rounds)]
        server.assert_healthy()
    figure = f"{over:+d} of {rate.statuses[200]} let in, {dict(rate.statuses)}"
    met = over <= 0 and rate.statuses[200] >= RATE and {*rate.statuses} == {200, 429}
    bar(f"{RATE} requests a minute, {tries} tries, {CONCURRENT_REQUESTS} at once: above the limit", figure, "0", met)
    most, statuses = max(width for width, _ in admitted), {status for _, counted in admitted for status in counted}
    figure = f"{most} at most, {min(width for width, _ in admitted)} at least, {statuses}, {started} decoded"
    met = (
        {width for width, _ in admitted} == {GENERATIONS} and started == GENERATIONS * rounds and statuses == {200, 429}
    )
    bar(f"{GENERATIONS} generations in flight, {tries} tries of n 1, 3, 8: let in", figure, f"{GENERATIONS}", met)
    wrong = sum(costly)
    bar(
        f"a cost of {COST}, {tries} tries of a little less, as much, and more: judged wrongly",
        str(wrong),
        "0",
        not wrong,
    )


def misjudged_costs(server: Server, chance: random.Random) -> int:
    """Return the number of requests admitted above the key's cost limit or rejected within it."""
    costs = [chance.choice([COST - 1, COST, COST + 1, 2 * COST]) for _ in range(CONCURRENT_REQUESTS)]
    requests: list[Fields] = [new_question() | {"max_tokens": cost} for cost in costs]
    answers = post_simultaneously(server, requests, auth_header("dear"))
    return sum((status == 200) != (cost <= COST) for cost, (status, *_) in zip(costs, answers, strict=True))


@pytest.mark.fault("T32")
@pytest.mark.faults
@pytest.mark.parametrize("name", FAULTS)
def test_limits_are_exact_under_every_redis_fault(bar, scale, name):
    """Limits are counted in the process and do not depend on Redis."""
    fault, chance, count = FAULTS[name], random.Random(32), int(CONCURRENT_REQUESTS * max(0.1, scale))
    with run_server(*FLAGS, keys=build_keys_file(LIMITS)) as (redis, server):
        server.ask(headers={"Authorization": f"Bearer {build_key('dear')}"}, max_tokens=10)
        rate, admitted = Window("rate"), list[int]()
        fault.begin(redis)
        for _ in range(4):
            rate.send(server, count)
            admitted.append(fill_generations(server, "many", count, chance)[0])
        fault.end(redis)
        over, more = rate.over, max(admitted) - GENERATIONS
        server.assert_healthy()
    figure = f"{over:+d} of {rate.statuses[200]} requests, {more:+d} of {max(admitted)} generations"
    met = over <= 0 and rate.statuses[200] >= RATE and more == 0 and {*rate.statuses} == {200, 429}
    bar(f"Redis {name}, {8 * count} tries at a key's limits: above the limit", figure, "0, 0", met)
