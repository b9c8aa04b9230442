"""T31, T32: a key's limits are exact, however many try at once, and whatever becomes of Redis."""

import hashlib
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.resilience.concurrent_clients import Fields, volley
from tests.resilience.redis_faults import FAULTS
from tests.resilience.redis_servers import question, stored
from tests.resilience.server_process import Server

AT_ONCE, VOLLEYS = 500, 20
FLAGS = ("--max-concurrent-requests", "1000", "--max-generations", "4096", "--max-cost", "1000000")
RATE, GENERATIONS, COST = 120, 40, 1000
LIMITS = {"rate": f"requests_per_minute={RATE}", "many": f"generations={GENERATIONS}", "dear": f"max_cost={COST}"}
NUMBERS = itertools.count()
VOTE = {"name": "self_consistency", "stop_rule": "none"}


def key(name: str) -> str:
    return f"cog-{name:_<32}"


def keys(limits: dict[str, str]) -> str:
    return "".join(f"{hashlib.sha256(key(name).encode()).hexdigest()} {name} {said}\n" for name, said in limits.items())


def bearer(name: str) -> str:
    return f"Authorization: Bearer {key(name)}"


def unheard() -> dict[str, object]:
    """A question that nobody has asked, so that Redis is asked for each and no two are answered by one search."""
    return question(f"of {next(NUMBERS)}?")


@dataclass(slots=True)
class Bucket:
    """What a key with so many requests a minute got, beside what it may get in the time that it took."""

    name: str
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)

    def tried(self, server: Server, count: int) -> None:
        self.statuses.update(
            status for status, *_ in volley(server, [unheard() for _ in range(count)], bearer(self.name))
        )
        self.ended = time.monotonic()

    @property
    def over(self) -> float:
        """Whole requests above the limit: those of a full bucket, and what ran into it since."""
        return self.statuses[200] - int(RATE + (self.ended - self.began) * RATE / 60)


def in_flight(server: Server, name: str, count: int, chance: random.Random) -> tuple[int, Counter[int]]:
    """Generations of the key that were let in, none of which ended while others tried; and the statuses."""
    widths = [chance.choice([1, 1, 3, 8]) for _ in range(count)]
    asks = [unheard() | {"strategy": VOTE | {"n": width}} for width in widths]
    server.turn(hang=True)
    answers = volley(server, asks, bearer(name), then=lambda: server.turn(hang=False))
    statuses = [status for status, *_ in answers]
    return sum(width for width, status in zip(widths, statuses, strict=True) if status == 200), Counter(statuses)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_t31_no_limit_of_a_key_is_exceeded_by_ten_thousand_tries(bar, scale):
    """Over sockets, five hundred connections at once, each limit anew."""
    volleys, chance = max(1, int(VOLLEYS * scale)), random.Random(31)
    tries = volleys * AT_ONCE
    with Server(flags=FLAGS, keys=keys(LIMITS)) as server:
        rate = Bucket("rate")
        for _ in range(volleys):
            rate.tried(server, AT_ONCE)
        over = rate.over
        before = server.counters["started"]
        held = [in_flight(server, "many", AT_ONCE, chance) for _ in range(volleys)]
        started = server.counters["started"] - before
        dear = [priced(server, chance) for _ in range(volleys)]
        server.healthy()
    figure = f"{over:+d} of {rate.statuses[200]} let in, {dict(rate.statuses)}"
    met = over <= 0 and rate.statuses[200] >= RATE and {*rate.statuses} == {200, 429}
    bar("T31", f"{RATE} requests a minute, {tries} tries, {AT_ONCE} at once: above the limit", figure, "0", met)
    most, statuses = max(wide for wide, _ in held), {status for _, told in held for status in told}
    figure = f"{most} at most, {min(wide for wide, _ in held)} at least, {statuses}, {started} decoded"
    met = {wide for wide, _ in held} == {GENERATIONS} and started == GENERATIONS * volleys and statuses == {200, 429}
    bar(
        "T31", f"{GENERATIONS} generations in flight, {tries} tries of n 1, 3, 8: let in", figure, f"{GENERATIONS}", met
    )
    wrong = sum(dear)
    bar(
        "T31",
        f"a cost of {COST}, {tries} tries of a little less, as much, and more: judged wrongly",
        str(wrong),
        "0",
        not wrong,
    )


def priced(server: Server, chance: random.Random) -> int:
    """Requests that were let in above the key's cost, or refused within it."""
    costs = [chance.choice([COST - 1, COST, COST + 1, 2 * COST]) for _ in range(AT_ONCE)]
    asks: list[Fields] = [unheard() | {"max_tokens": cost} for cost in costs]
    answers = volley(server, asks, bearer("dear"))
    return sum((status == 200) != (cost <= COST) for cost, (status, *_) in zip(costs, answers, strict=True))


@pytest.mark.faults
@pytest.mark.parametrize("name", FAULTS)
def test_t32_limits_are_exact_whatever_becomes_of_redis(bar, scale, name):
    """They are counted in the process, so that there is nothing to fall back to."""
    fault, chance, count = FAULTS[name], random.Random(32), int(AT_ONCE * max(0.1, scale))
    with stored(*FLAGS, keys=keys(LIMITS)) as (redis, server):
        server.ask(headers={"Authorization": f"Bearer {key('dear')}"}, max_tokens=10)
        rate, held = Bucket("rate"), list[int]()
        fault.begin(redis)
        for _ in range(4):
            rate.tried(server, count)
            held.append(in_flight(server, "many", count, chance)[0])
        fault.end(redis)
        over, more = rate.over, max(held) - GENERATIONS
        server.healthy()
    figure = f"{over:+d} of {rate.statuses[200]} requests, {more:+d} of {max(held)} generations"
    met = over <= 0 and rate.statuses[200] >= RATE and more == 0 and {*rate.statuses} == {200, 429}
    bar("T32", f"Redis {name}, {8 * count} tries at a key's limits: above the limit", figure, "0, 0", met)
