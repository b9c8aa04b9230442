"""T6: a Redis that dies, freezes, refuses, lies or forgets while requests come fails none of them."""

from dataclasses import dataclass, replace

import pytest

from tests.fakes.redis_server import RedisServer
from tests.resilience.concurrent_clients import crowd
from tests.resilience.load import Load, Span, measured, old
from tests.resilience.redis_faults import FAULTS, Fault
from tests.resilience.redis_servers import VOTE, counted, question, stored
from tests.resilience.server_process import Probe, Server, eventually


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float
    """That each fault lasts."""
    calm: float
    """Seconds before."""
    users: int
    every: float
    """Seconds from one question of a user to the next."""
    old: int
    """Questions whose answers are kept before: of many, hardly two ask for the same at once."""


SMALL = Size(0.3, 0.3, 4, 0, 20)
FULL = Size(60, 10, 50, 0.7, 200)
"""Fifty who ask each 0.7 s are what two cores carry with the clients on them."""
FLAGS = ("--cache-bytes", str(256 * 1024))
"""What the process keeps on purpose is soon all there is room for, so that only something else makes it grow."""
PACE = 0.002


def hit(server: Server) -> bool:
    return server.ask(strategy=VOTE, **question("is it back?")).headers.get("x-cache") == "hit"


def broken(redis: RedisServer, load: Load, fault: Fault, seconds: float) -> tuple[Span, float]:
    """What was asked under it, and the seconds until hits resume."""
    with measured(load) as span:
        span.last(load.server, seconds, lambda: fault.begin(redis), fault.again)
    fault.end(redis)
    return span, eventually(lambda: hit(load.server), 10) / 1000


def judged(bar, names: list[str], size: Size) -> tuple[Span, list[Span]]:
    """Healthy, all that is asked is new, so that each answer is a search, as without a Redis; then half of it is."""
    with stored(*FLAGS) as (redis, server), Probe(server) as probe:
        server.turn(pace=PACE)
        crowd(server, [{"strategy": VOTE, **question(old(number))} for number in range(size.old)], 16)
        with Load(server, size.users, size.every, old=size.old) as load:
            with measured(load) as well:
                well.last(server, size.calm)
            load.new = 2
            told = [broken(redis, load, FAULTS[name], size.seconds) for name in names]
        changes = server.output.count("Cannot "), server.output.count("again.")
        lost = counted(server, "unavailable")
        server.healthy()
    failed, spans = sum(each.status != 200 for each in load.asked), [span for span, _ in told]
    what = (
        f"{size.users} users, Redis {', '.join(names)}, {size.seconds:g} s each: failed of {len(load.asked)} requests"
    )
    bar("T6", what, str(failed), "0", failed == 0)
    worst, p99 = max(span.p99 for span in spans), well.p99
    what = f"... p99, beside {p99:.0f} ms when all is well and nothing is kept yet (p50 {well.search:.0f} ms)"
    bar("T6", what, f"{worst:.0f} ms at worst", "500 ms more", worst <= p99 + 500)
    log = max(span.log for span in spans)
    bar("T6", "... log a request", f"{log:.0f} B at most", "1 kB", log <= 1000)
    figure = f"{changes[0]} and {changes[1]} lines for {lost} gets and puts not served"
    most = 2 * sum(len(span.acts) for span in spans)
    bar("T6", "... changes of state told", figure, f"one a change of reads or of writes: {most}", max(changes) <= most)
    back = max(back for _, back in told)
    bar("T6", "... hits are back after", f"{back:.1f} s at worst", "10 s", back <= 10)
    bar("T6", "... liveness, p99", f"{probe.p99:.0f} ms", "250 ms", probe.p99 <= 250 and not probe.failures)
    return well, spans


def weighed(bar, well: Span, span: Span) -> None:
    """Beside the same server with a Redis that is well, where each answer is a search as well."""
    more = span.search - well.search
    bar("T6", "... p50 of what is new, beside the same when all is well", f"{more:+.1f} ms", "+5 ms", more <= 5)
    (first, later), p99 = span.struck, well.p99
    met = first <= p99 + 500 and later <= p99 + 150
    bar(
        "T6",
        "... p99 in the second behind each begin of the fault, and later",
        f"{first - p99:+.0f} ms, {later - p99:+.0f} ms",
        "+500, +150",
        met,
    )
    times = span.processor / well.processor
    figure = f"{times:.2f}x of {well.processor:.1f} ms"
    bar("T6", "... processor time a request, beside that of a search when all is well", figure, "1.5x", times <= 1.5)
    times = span.memory / well.memory
    bar("T6", "... memory, the most", f"{times:.2f}x of {well.memory:.0f} MiB", "1.2x", times <= 1.2)


def test_t6_a_redis_that_dies_refuses_or_lies_fails_nobody(bar):
    judged(bar, ["killed", "full", "of another type", "full of noise", "flushed"], SMALL)


@pytest.mark.faults
@pytest.mark.parametrize("name", FAULTS)
def test_t6_each_fault_for_a_minute(bar, scale, name):
    size = replace(FULL, seconds=FULL.seconds * scale, calm=FULL.calm * scale)
    well, (span,) = judged(bar, [name], size)
    weighed(bar, well, span)
