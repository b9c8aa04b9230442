"""Remote backends over fake upstreams, in the event loop of the test, over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from cogitate.server.engine.remote import RemoteBackend, Timeouts, UpstreamConfig
from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.ports import ABILITIES
from cogitate.strategies.core.types import Completion, Sampling
from tests.fakes.upstream import FakeUpstream, Script
from tests.fakes.upstream.recorded import RecordedUpstream

SHORT_TIMEOUTS = Timeouts(total=2.0, idle=0.3, connect=0.5)


@contextlib.asynccontextmanager
async def start_upstreams(*scripts: Script) -> AsyncIterator[list[FakeUpstream]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(FakeUpstream(script)) for script in scripts]


@contextlib.asynccontextmanager
async def open_backend(*upstreams: FakeUpstream | RecordedUpstream, **options: Any) -> AsyncIterator[RemoteBackend]:
    """Open a backend with all abilities, without probes; the requests that this makes are not recorded."""
    given = {"abilities": ABILITIES, "timeouts": SHORT_TIMEOUTS} | options
    backend = RemoteBackend([UpstreamConfig(fake.url) for fake in upstreams], **given)
    await backend.open()
    for fake in upstreams:
        if isinstance(fake, FakeUpstream):
            fake.requests.clear()
    try:
        yield backend
    finally:
        await backend.close()


@contextlib.asynccontextmanager
async def remote_backend(
    script: Script | None = None, **options: Any
) -> AsyncIterator[tuple[FakeUpstream, RemoteBackend]]:
    async with start_upstreams(script or Script()) as (fake,), open_backend(fake, **options) as backend:
        yield fake, backend


def request(text: str = "What is 6*7, plus 30?", **fields: object) -> ChatRequest:
    return ChatRequest.model_validate({"model": "fake", "messages": [{"role": "user", "content": text}], **fields})


async def sample(backend: RemoteBackend, chat: ChatRequest | None = None, **sampling: Any) -> Completion:
    chat = chat or request()
    conversation = await backend.converse(chat, chat.prompt)
    options = {name: sampling.pop(name) for name in ("on_text", "on_abort") if name in sampling}
    return await conversation.generate(chat.prompt, Sampling(**{"max_tokens": 100, **sampling}), **options)


async def eventually(check: Callable[[], object], seconds: float = 3) -> None:
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 the condition has no event
            await asyncio.sleep(0.005)
