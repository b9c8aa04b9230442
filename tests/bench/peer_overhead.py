"""Measures this server beside a peer's: python -m tests.bench.peer_overhead [--its-iaas PROGRAM] [--rounds N]

Both serve votes of n samples over one fake upstream without latency, and a bare client makes the same upstream calls
itself. Server, peer, upstream and client are processes of one machine, and measurements alternate. The peer is the
server of its_hub 1.2.0 in an environment of its own (`pip install its_hub[iaas]==1.2.0`), whose program `its-iaas` is
named; without it only this server is measured. Reported are medians with their quartiles.
"""

import argparse
import asyncio
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

import orjson

from tests.bench.bare_client import BareClient
from tests.bench.harness import Rig, bare_calls, encode_chat, measure, post, time_alternately, time_seconds, vote
from tests.bench.processes import Process, run_fake_upstream, run_program, run_server
from tests.bench.remote_overhead import run_concurrently
from tests.bench.report import Table, say, spread

MAX_ADDED_MS, MAX_RATIO = 0.7, 1.5
MIN_RATE_RATIO, MAX_CPU_RATIO, MAX_PEAK_MEBIBYTES = 3.0, 0.3, 110.0
SAMPLES, CONCURRENCIES, TURNS = 8, (16, 64), 5


@dataclass(slots=True)
class Load:
    """What concurrent clients measured of one server, turn by turn."""

    rates: list[float] = field(default_factory=list)
    """Requests per second."""
    cpus: list[float] = field(default_factory=list)
    """Seconds of processor time for 1,000 samples."""


@contextmanager
def run_its_iaas(program: str, upstream: str) -> Iterator[Process]:
    """Run the peer's server, configured to vote by boxes over the upstream."""
    port = 8109
    with run_program([program, "--port", str(port), "--log-level", "WARNING"], f"http://127.0.0.1:{port}") as process:
        settings = {"endpoint": upstream, "api_key": "none", "model": "fake", "alg": "self-consistency"}
        body = orjson.dumps(settings | {"regex_patterns": [r"\\boxed\{(.*?)\}"], "temperature": 0.7})
        asyncio.run(configure(process.url, body))
        yield process


async def configure(url: str, body: bytes) -> None:
    status, response = await BareClient(url).request("POST", "/configure", body)
    assert status == 200, response


def encode_peer_vote(n: int) -> bytes:
    return encode_chat(None, budget=n, temperature=0.7)


async def compare_latency(rig: Rig, peer: BareClient | None) -> None:
    """Compare a request of 1 and of 8 samples with as many bare calls."""
    for n in (1, SAMPLES):
        calls = [partial(post, rig, rig.ours, encode_chat(vote(n))), partial(bare_calls, rig, n)]
        if peer:
            calls.append(partial(post, rig, peer, encode_peer_vote(n)))
        ours, bare, *peers = await time_alternately(rig.rounds, *calls)
        for who, times in (("", ours), *((", its_hub", each) for each in peers)):
            added = [mine - theirs for mine, theirs in zip(times, bare, strict=True)]
            ratio = statistics.median(times) / statistics.median(bare)
            if n == 1:
                met = None if who else statistics.median(added) <= MAX_ADDED_MS
                rig.table.add(f"added to one call, p50{who}", f"{spread(added)} ms", f"{MAX_ADDED_MS} ms", met)
            else:
                met = None if who else ratio <= MAX_RATIO
                figure = f"{ratio:.2f}x: {spread(times)} ms against {spread(bare)} ms"
                rig.table.add(f"{n} samples over {n} bare calls, p50{who}", figure, f"{MAX_RATIO}x", met)


async def load_server(rig: Rig, server: BareClient, process: Process, body: bytes, at_once: int, load: Load) -> None:
    count, before = at_once * 4, process.cpu_seconds
    load.rates.append(count / await time_seconds(run_concurrently(at_once, count, partial(post, rig, server, body))))
    load.cpus.append((process.cpu_seconds - before) / (SAMPLES * count) * 1000)


async def compare_throughput(rig: Rig, peer: tuple[BareClient, Process] | None) -> None:
    """Compare requests per second and processor time of concurrent clients with the peer's."""
    for at_once in CONCURRENCIES:
        ours, theirs = Load(), Load()
        for _ in range(TURNS):
            await load_server(rig, rig.ours, rig.server, encode_chat(vote(SAMPLES)), at_once, ours)
            if peer:
                await load_server(rig, *peer, encode_peer_vote(SAMPLES), at_once, theirs)
        what = f"{at_once} clients, {SAMPLES} samples a request"
        if peer:
            rate = statistics.median(ours.rates) / statistics.median(theirs.rates)
            figure = f"{rate:.2f}x: {spread(ours.rates, 0)} against {spread(theirs.rates, 0)}"
            rig.table.add(f"{what}: requests/s over its_hub's", figure, f"{MIN_RATE_RATIO}x", rate >= MIN_RATE_RATIO)
            cpu = statistics.median(ours.cpus) / statistics.median(theirs.cpus)
            figure = f"{cpu:.2f}x: {spread(ours.cpus)} s against {spread(theirs.cpus)} s"
            bar = f"{MAX_CPU_RATIO}x"
            rig.table.add("... processor time of 1,000 samples over its_hub's", figure, bar, cpu <= MAX_CPU_RATIO)
        else:
            rig.table.add(f"{what}: requests/s", spread(ours.rates, 0), "-", None)
            rig.table.add("... processor time of 1,000 samples", f"{spread(ours.cpus)} s", "-", None)
    peak, bar = rig.server.peak_mebibytes, f"{MAX_PEAK_MEBIBYTES:.0f} MiB"
    rig.table.add("resident memory at its peak", f"{peak:.0f} MiB", bar, peak <= MAX_PEAK_MEBIBYTES)
    if peer:
        rig.table.add("... its_hub's", f"{peer[1].peak_mebibytes:.0f} MiB", "-", None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--its-iaas", metavar="PROGRAM", help="the peer's server program")
    parser.add_argument("--rounds", type=int, default=200, help="requests per median (default: 200)")
    options = parser.parse_args()
    say("measuring against a bare client, and a peer where one is named; about a minute")
    table = Table()
    with run_fake_upstream() as upstream, run_server(upstream.url + "/v1") as server:
        start = run_its_iaas(options.its_iaas, upstream.url + "/v1") if options.its_iaas else nullcontext()
        with start as process:
            peer = (BareClient(process.url), process) if process else None
            latency = partial(compare_latency, peer=peer[0] if peer else None)
            parts = latency, partial(compare_throughput, peer=peer)
            asyncio.run(measure(upstream, server, table, options.rounds, *parts))
    print(table.markdown())


if __name__ == "__main__":
    main()
