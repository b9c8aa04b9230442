"""What does not fit the model's context: the client's prompt is its error, one of the strategy's own is a lost call.

A judge that cannot read eight long candidates so leaves the choice to the vote, and the request is answered.
"""

from dataclasses import dataclass

from cogitate.server.errors import ContextTooLong
from cogitate.strategies.core.ports import Engine, OnAbort, OnText, SampleFailed
from cogitate.strategies.core.types import Completion, Prompt, Sampling


class Overlong(SampleFailed, ContextTooLong):
    """Where nothing else comes of the request, the client is told why."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """An engine to which only `asked` may be too long."""

    engine: Engine
    asked: Prompt

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        try:
            return await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=on_abort)
        except ContextTooLong as error:
            if prompt == self.asked:
                raise
            raise Overlong(error.message, param=error.param) from None
