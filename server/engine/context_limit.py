"""Distinguishes prompts that exceed the model's context: the client's is a 400, a strategy's own is a lost sample.

So a judge that cannot read eight long candidates leaves the choice to the vote, and the request is answered.
"""

from dataclasses import dataclass

from cogitate.server.errors import ContextTooLong
from cogitate.strategies.core.ports import Engine, OnAbort, OnText, SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling


class SamplePromptTooLong(SampleFailed, ContextTooLong):
    """A strategy's own prompt exceeds the context. The client receives it where the request has no other result."""


@dataclass(frozen=True, slots=True)
class ContextLimitedEngine:
    """An Engine that raises ContextTooLong for `client_prompt`, and SamplePromptTooLong for any other prompt."""

    engine: Engine
    client_prompt: Prompt

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        try:
            return await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=on_abort)
        except ContextTooLong as error:
            if prompt == self.client_prompt:
                raise
            raise SamplePromptTooLong(error.message, param=error.param) from None
