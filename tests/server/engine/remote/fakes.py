"""A remote backend over fake upstreams, for tests: all of it in one event loop, over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from cogitate.server.engine.remote import Patience, RemoteBackend, Upstream
from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.ports import ABILITIES
from cogitate.strategies.core.types import Completion, Sampling
from tests.fakes.upstream import FakeUpstream, Script

QUICK = Patience(total=2.0, idle=0.3, connect=0.5)


@contextlib.asynccontextmanager
async def fakes(*scripts: Script) -> AsyncIterator[list[FakeUpstream]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(FakeUpstream(script)) for script in scripts]


@contextlib.asynccontextmanager
async def over(*upstreams: FakeUpstream, **options: Any) -> AsyncIterator[RemoteBackend]:
    """An opened backend. Nothing is probed: it is told what the fakes can do."""
    given = {"able": ABILITIES, "patience": QUICK} | options
    backend = RemoteBackend([Upstream(fake.url) for fake in upstreams], **given)
    await backend.open()
    for fake in upstreams:
        fake.asked.clear()
    try:
        yield backend
    finally:
        await backend.close()


@contextlib.asynccontextmanager
async def one(script: Script | None = None, **options: Any) -> AsyncIterator[tuple[FakeUpstream, RemoteBackend]]:
    async with fakes(script or Script()) as (fake,), over(fake, **options) as backend:
        yield fake, backend


def request(text: str = "What is 6*7, plus 30?", **fields: object) -> ChatRequest:
    return ChatRequest.model_validate({"model": "fake", "messages": [{"role": "user", "content": text}], **fields})


async def sample(backend: RemoteBackend, asked: ChatRequest | None = None, **sampling: Any) -> Completion:
    asked = asked or request()
    conversation = await backend.converse(asked, asked.prompt)
    hearing = {name: sampling.pop(name) for name in ("on_text", "on_abort") if name in sampling}
    return await conversation.generate(asked.prompt, Sampling(**{"max_tokens": 100, **sampling}), **hearing)


async def eventually(check: Callable[[], object], seconds: float = 3) -> None:
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 what others bring about
            await asyncio.sleep(0.005)
