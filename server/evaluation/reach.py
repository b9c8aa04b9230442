"""The server that a run asks: one that is there, or one that is started for as long as the run lasts."""

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cogitate.server.evaluation.flags import api_key
from cogitate.server.evaluation.local_server import served


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    key: str | None = None
    model: str | None = None
    """What to ask it for; None: the first that it lists."""


@asynccontextmanager
async def reached(given: argparse.Namespace) -> AsyncIterator[Server | None]:
    """None where a bank alone is replayed. Raises NotServed."""
    key = api_key(given.api_key_file)
    if given.server:
        yield Server(given.server, key, given.model or None)
    elif given.model is not None:
        async with served(given.model, sys.stderr) as url:
            yield Server(url, key)
    else:
        yield None
