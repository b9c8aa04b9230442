"""A server beside a bank, for what no bank holds: verdicts, probes and syntheses.

It has an event loop of its own, in a thread. A replay waits for it while the replay's virtual clock is paused, and many
replays at a time use the server fully.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import Any, Self

from pydantic import SecretStr

from cogitate.server.engine import CannotStart
from cogitate.server.engine.context_limit import SamplePromptTooLong
from cogitate.server.engine.remote import RemoteBackend, Timeouts, UpstreamConfig
from cogitate.server.errors import ApiError, ContextTooLong
from cogitate.server.evaluation import virtual_time
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.sample import Recipe
from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.budget import smallest_limit
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling

REQUEST_TIMEOUT_SECONDS = 3600.0
"""Generous, since no user waits for a replay, and a small server may have a long prompt to read."""


class FallbackFailed(CannotEvaluate):
    """The server could not be reached, or returned an error."""


@dataclass(slots=True)
class FallbackServer:
    """Generates completions on a server. A context manager; it connects when it is first used."""

    url: str
    recipe: Recipe
    model: str | None = None
    """The model's name at the server; None: the first that it lists."""
    key: str | None = None
    connect_timeout: float = 30.0
    """Seconds until the server must have listed its models."""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: Thread = field(init=False)
    _opening: asyncio.Task[RemoteBackend] | None = None

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._loop.run_forever, name="fallback-server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._submit(self._close_backend()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Generate with the bank's sampling parameters; called within a replay, whose clock it pauses.

        Raises FallbackFailed, SampleFailed, SamplePromptTooLong.
        """
        future = self._submit(self._generate(prompt, with_recipe(sampling, self.recipe)))
        with virtual_time.pause_clock():
            return await asyncio.wrap_future(future)

    def _submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _generate(self, prompt: Prompt, sampling: Sampling) -> Completion:
        if self._opening is None:
            self._opening = self._loop.create_task(self._open_backend())
        try:
            backend = await asyncio.shield(self._opening)
            messages = [{"role": message.role, "content": message.text} for message in prompt.messages]
            request = ChatRequest.model_validate(
                {"model": backend.card.name, "messages": messages, "top_p": self.recipe.top_p}
            )
            conversation = await backend.converse(request, prompt)
            return await conversation.generate(prompt, sampling)
        except ContextTooLong as error:
            raise SamplePromptTooLong(error.message) from None
        except ApiError as error:
            raise FallbackFailed(f"{self.url}: {error}") from None

    async def _open_backend(self) -> RemoteBackend:
        url = f"{self.url.rstrip('/').removesuffix('/v1')}/v1"
        upstream = UpstreamConfig(url, SecretStr(self.key) if self.key else None)
        timeouts = Timeouts(total=REQUEST_TIMEOUT_SECONDS, idle=REQUEST_TIMEOUT_SECONDS)
        backend = RemoteBackend([upstream], self.model, timeouts=timeouts)
        try:
            async with asyncio.timeout(self.connect_timeout):
                await backend.open()
        except (CannotStart, TimeoutError) as error:
            await backend.close()
            raise FallbackFailed(f"{self.url}: {str(error) or 'no answer'}") from None
        return backend

    async def _close_backend(self) -> None:
        if self._opening is None:
            return
        self._opening.cancel()
        await asyncio.wait([self._opening])
        if not self._opening.cancelled() and not self._opening.exception():
            await self._opening.result().close()


def with_recipe(sampling: Sampling, recipe: Recipe) -> Sampling:
    """Apply the bank's temperature, seed and limit of tokens; greedy decodes stay greedy."""
    return replace(
        sampling,
        max_tokens=smallest_limit(sampling.max_tokens, recipe.max_tokens),
        temperature=0.0 if sampling.temperature == 0 else recipe.temperature,
        seed=recipe.seed,
    )
