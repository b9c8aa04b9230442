"""A server that stands by a bank: it is asked for what no bank holds, such as verdicts, probes and syntheses.

It has an event loop of its own, in a thread: a replay waits for it while the replay's own clock stands still, and many
replays at once keep it busy.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import Any, Self

from pydantic import SecretStr

from cogitate.server.engine import CannotStart
from cogitate.server.engine.context_limit import Overlong
from cogitate.server.engine.remote import Patience, RemoteBackend, Upstream
from cogitate.server.errors import ApiError, ContextTooLong
from cogitate.server.evaluation import virtual_time
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.sample import Recipe
from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.seeds import least
from cogitate.strategies.core.types import Completion, Prompt, Sampling

LONGEST = 3600.0
"""Seconds that one answer may take: nobody waits for it, and the server may be a small one with much to read."""


class Unanswered(CannotEvaluate):
    """Why the server did not answer."""


@dataclass(slots=True)
class Standby:
    """It is not spoken to before it is needed. `model`: its name there; None: the first that it lists."""

    url: str
    recipe: Recipe
    model: str | None = None
    key: str | None = None
    patience: float = 30.0
    """Seconds that it has for its first answer."""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: Thread = field(init=False)
    _opening: asyncio.Task[RemoteBackend] | None = None

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._loop.run_forever, name="standby", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._begun(self._closed()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """From within a replay. What is written is sampled as the bank was. Raises Unanswered, SampleFailed."""
        asked = self._begun(self._generated(prompt, sampled_as(sampling, self.recipe)))
        with virtual_time.standing_still():
            return await asyncio.wrap_future(asked)

    def _begun(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _generated(self, prompt: Prompt, sampling: Sampling) -> Completion:
        if self._opening is None:
            self._opening = self._loop.create_task(self._opened())
        try:
            backend = await asyncio.shield(self._opening)
            said = [{"role": message.role, "content": message.text} for message in prompt.messages]
            request = ChatRequest.model_validate(
                {"model": backend.card.name, "messages": said, "top_p": self.recipe.top_p}
            )
            conversation = await backend.converse(request, prompt)
            return await conversation.generate(prompt, sampling)
        except ContextTooLong as error:
            raise Overlong(error.message) from None
        except ApiError as error:
            raise Unanswered(f"{self.url}: {error}") from None

    async def _opened(self) -> RemoteBackend:
        url = f"{self.url.rstrip('/').removesuffix('/v1')}/v1"
        upstream = Upstream(url, SecretStr(self.key) if self.key else None)
        backend = RemoteBackend([upstream], self.model, patience=Patience(total=LONGEST, idle=LONGEST))
        try:
            async with asyncio.timeout(self.patience):
                await backend.open()
        except (CannotStart, TimeoutError) as error:
            await backend.close()
            raise Unanswered(f"{self.url}: {str(error) or 'no answer'}") from None
        return backend

    async def _closed(self) -> None:
        if self._opening is None:
            return
        self._opening.cancel()
        await asyncio.wait([self._opening])
        if not self._opening.cancelled() and not self._opening.exception():
            await self._opening.result().close()


def sampled_as(sampling: Sampling, recipe: Recipe) -> Sampling:
    """What a strategy asks for greedily stays greedy."""
    return replace(
        sampling,
        max_tokens=least(sampling.max_tokens, recipe.max_tokens),
        temperature=0.0 if sampling.temperature == 0 else recipe.temperature,
        seed=recipe.seed,
    )
