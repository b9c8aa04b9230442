"""No request fails while Redis is killed, frozen, read-only, full, corrupted or flushed."""

from dataclasses import dataclass, replace

import pytest

from tests.fakes.redis_server import RedisServer
from tests.resilience.background import Probe
from tests.resilience.concurrent_clients import post_all
from tests.resilience.load import Load, Span, measure, old_question
from tests.resilience.measure import wait_until
from tests.resilience.redis_faults import FAULTS, Fault
from tests.resilience.redis_servers import VOTE, cache_counter, question, run_server
from tests.resilience.server_process import Server

pytestmark = pytest.mark.fault("T6")


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float
    """Duration of each fault."""
    calm: float
    """Seconds of healthy load before."""
    users: int
    interval: float
    """Seconds between two questions of a user."""
    old: int
    """Number of questions cached before; with many of them, simultaneous requests rarely share one."""


SMALL = Size(0.3, 0.3, 4, 0, 20)
FULL = Size(60, 10, 50, 0.7, 200)
"""Fifty users with a request every 0.7 s are what two cores carry together with the clients."""
FLAGS = ("--cache-bytes", str(256 * 1024))
"""The process's own cache is soon full, so that memory growth has another cause."""
SECONDS_PER_TOKEN = 0.002


def is_hit(server: Server) -> bool:
    return server.ask(strategy=VOTE, **question("is it back?")).headers.get("x-cache") == "hit"


def break_redis(redis: RedisServer, load: Load, fault: Fault, seconds: float) -> tuple[Span, float]:
    """Measure the load under the fault; returns it and the seconds until cache hits resume after it."""
    with measure(load) as span:
        span.run(load.server, seconds, lambda: fault.begin(redis), fault.again)
    fault.end(redis)
    return span, wait_until(lambda: is_hit(load.server), 20) / 1000


def check_faults(bar, names: list[str], size: Size) -> tuple[Span, list[Span]]:
    """Measure a healthy phase of new questions, each a search, then each fault with every second question new."""
    with run_server(*FLAGS) as (redis, server), Probe(server) as probe:
        server.set_knobs(pace=SECONDS_PER_TOKEN)
        post_all(server, [{"strategy": VOTE, **question(old_question(number))} for number in range(size.old)], 16)
        with Load(server, size.users, size.interval, old=size.old) as load:
            with measure(load) as well:
                well.run(server, size.calm)
            load.new = 2
            results = [break_redis(redis, load, FAULTS[name], size.seconds) for name in names]
        changes = server.output.count("Cannot "), server.output.count("again.")
        unavailable = cache_counter(server, "unavailable")
        server.assert_healthy()
    failed, spans = sum(each.status != 200 for each in load.sent), [span for span, _ in results]
    what = f"{size.users} users, Redis {', '.join(names)}, {size.seconds:g} s each: failed of {len(load.sent)} requests"
    bar(what, str(failed), "0", failed == 0)
    worst, p99 = max(span.p99 for span in spans), well.p99
    what = f"... p99, beside {p99:.0f} ms when all is well and nothing is kept yet (p50 {well.search:.0f} ms)"
    bar(what, f"{worst:.0f} ms at worst", "500 ms more", worst <= p99 + 500)
    log = max(span.log for span in spans)
    bar("... log a request, beside its line", f"{log:.0f} B at most", "1 kB", log <= 1000)
    figure = f"{changes[0]} and {changes[1]} lines for {unavailable} gets and puts not served"
    most = 2 * sum(len(span.acts) for span in spans)
    bar("... changes of state told", figure, f"one a change of reads or of writes: {most}", max(changes) <= most)
    back = max(back for _, back in results)
    bar("... hits are back after", f"{back:.1f} s at worst", "10 s", back <= 10)
    bar("... liveness, p99", f"{probe.p99:.0f} ms", "250 ms", probe.p99 <= 250 and not probe.failures)
    return well, spans


def check_cost(bar, well: Span, span: Span) -> None:
    """Compare the cost under a fault with the healthy phase, in which each answer is a search too."""
    more = span.search - well.search
    bar("... p50 of what is new, beside the same when all is well", f"{more:+.1f} ms", "+5 ms", more <= 5)
    (first, later), p99 = span.p99_near_and_far, well.p99
    met = first <= p99 + 500 and later <= p99 + 150
    bar(
        "... p99 in the second behind each begin of the fault, and later",
        f"{first - p99:+.0f} ms, {later - p99:+.0f} ms",
        "+500, +150",
        met,
    )
    times = span.processor / well.processor
    figure = f"{times:.2f}x of {well.processor:.1f} ms"
    bar("... processor time a request, beside that of a search when all is well", figure, "1.5x", times <= 1.5)
    times = span.memory / well.memory
    bar("... memory, the most", f"{times:.2f}x of {well.memory:.0f} MiB", "1.2x", times <= 1.2)


def test_no_request_fails_under_short_redis_faults(bar):
    check_faults(bar, ["killed", "full", "of another type", "full of noise", "flushed"], SMALL)


@pytest.mark.faults
@pytest.mark.parametrize("name", FAULTS)
def test_no_request_fails_during_a_minute_of_each_redis_fault(bar, scale, name):
    size = replace(FULL, seconds=FULL.seconds * scale, calm=FULL.calm * scale)
    well, (span,) = check_faults(bar, [name], size)
    check_cost(bar, well, span)
