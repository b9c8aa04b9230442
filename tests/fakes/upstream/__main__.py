"""Runs one fake upstream: `python -m tests.fakes.upstream --port N`."""

import argparse
import asyncio
import sys
from typing import get_args

import uvloop

from tests.fakes.upstream.script import STORY, Fault, Script
from tests.fakes.upstream.server import FakeUpstream


async def main(arguments: argparse.Namespace) -> None:
    script = Script(
        texts=tuple(arguments.text or [STORY]),
        latency=arguments.latency,
        sigma=arguments.sigma,
        pace=arguments.pace,
        fault=arguments.fault,
        vllm=not arguments.plain,
    )
    async with FakeUpstream(script, port=arguments.port, max_recorded=0) as fake:
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free port; the URL is printed")
    parser.add_argument("--text", action="append", help="a text to return; repeatable, returned in turn")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until the first byte")
    parser.add_argument(
        "--sigma", type=float, default=0.0, help="above 0: lognormal latency with --latency as its median"
    )
    parser.add_argument("--pace", type=float, default=0.0, help="seconds per token")
    parser.add_argument("--fault", choices=get_args(Fault), default="none")
    parser.add_argument("--plain", action="store_true", help="not a vLLM: no /tokenize, no usage in chunks")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        uvloop.run(main(parse_arguments()))
    except KeyboardInterrupt:
        sys.exit(130)
