"""Measures what traces cost: python -m tests.bench.tracing_overhead [--rounds N]

Two servers over one fake upstream without latency, one of which sends its spans to a receiver: five processes on this
machine. Requests to both alternate, so that each difference is of one pair. Reported are medians with their quartiles:
of the pairs' differences, and of each server's own times. Processor time is of the server's process, the thread that
sends spans included.
"""

import argparse
import asyncio
import statistics
from functools import partial

import aiohttp

from tests.bench.bare_client import BareClient
from tests.bench.harness import CHAT, KEEP_ALIVE_SECONDS, encode_chat, time_alternately, vote
from tests.bench.processes import Process, run_fake_upstream, run_otlp_receiver, run_server
from tests.bench.report import Table, say, spread

MAX_ADDED_MILLISECONDS = 0.2
BATCH_SECONDS = 5.0
"""The SDK sends what has ended this often."""
VOTE_SAMPLES = 32


async def compare(plain: Process, traced: Process, body: bytes, rounds: int) -> tuple[list[float], list[float], float]:
    """Time one request at both servers, in turn. Returns the milliseconds, and the processor time that was added."""
    clients = [BareClient(plain.url), BareClient(traced.url)]
    before = [process.cpu_seconds for process in (plain, traced)]
    without, with_spans = await time_alternately(rounds, *(partial(client.post, CHAT, body) for client in clients))
    await asyncio.sleep(BATCH_SECONDS)
    spent = [process.cpu_seconds - start for process, start in zip((plain, traced), before, strict=True)]
    for client in clients:
        await client.close()
    return without, with_spans, (spent[1] - spent[0]) / rounds * 1000


async def measure(plain: Process, traced: Process, rounds: int, table: Table) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_SECONDS)):
        kinds = (("a plain request", encode_chat(None), rounds),)
        kinds += ((f"a vote of {VOTE_SAMPLES} samples", encode_chat(vote(VOTE_SAMPLES), seed=1), rounds // 10),)
        for name, body, count in kinds:
            without, with_spans, cpu = await compare(plain, traced, body, count)
            added = [b - a for a, b in zip(without, with_spans, strict=True)]
            has_bar = name == "a plain request"
            met = statistics.median(added) <= MAX_ADDED_MILLISECONDS if has_bar else None
            bar = f"+{MAX_ADDED_MILLISECONDS} ms" if has_bar else "-"
            table.add(f"{name}, traced: added to the time of one that is not", f"{spread(added, 3)} ms", bar, met)
            table.add("... each", f"{spread(with_spans, 3)} ms against {spread(without, 3)} ms", "-", None)
            table.add("... processor time added, export included", f"{cpu:.3f} ms", "-", None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000, help="pairs of plain requests (default: 2000)")
    rounds, table = parser.parse_args().rounds, Table()
    with run_fake_upstream() as upstream, run_otlp_receiver() as receiver:
        url, environment = f"{upstream.url}/v1", {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        quiet = ("--log-level", "warning")
        with run_server(url, *quiet) as plain, run_server(url, *quiet, environment=environment) as traced:
            say(f"{rounds} pairs")
            asyncio.run(measure(plain, traced, rounds, table))
    print(table.markdown())


if __name__ == "__main__":
    main()
