"""The conversation of a strategy that asks several models: one with each, opened when it is first asked."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cogitate.server.engine import Backend, Body, Conversation
from cogitate.server.errors import ApiError
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.strategies.core.ports import OnAbort, OnText, SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling


class ModelFailed(SampleFailed):
    """A model of several cannot answer: it costs its samples alone. `error` is the client's where no other answers."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


async def open_conversation(backend: Backend, plan: Plan, salt: str) -> Conversation:
    """Open the conversation that a plan's strategy needs.

    Where it asks several models, the first that draws candidates is asked whether it takes the request; one that is
    down is left out. Raises ApiError.
    """
    assert plan.strategy is not None and isinstance(plan.request, ChatRequest | CompletionRequest)
    models = plan.strategy.other_models
    if not any(models.values()):
        return await backend.converse(plan.request, plan.prompt, salt)
    joint = JointConversation(backend, plan.request, plan.prompt, salt)
    first, *rest = models.get("models") or ("",)
    try:
        joint.prompt_tokens = (await joint.open(first)).prompt_tokens
    except ApiError:
        if not rest:
            raise
    return joint


@dataclass(slots=True)
class JointConversation:
    """The Conversation port over several models: each prompt goes to the model that it names."""

    backend: Backend
    request: ChatRequest | CompletionRequest
    prompt: Prompt
    salt: str
    prompt_tokens: int = 0
    _conversations: dict[str, Conversation] = field(default_factory=dict)
    _locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        """Raises ModelFailed for whatever another model may not fail with."""
        try:
            conversation = await self.open(prompt.model)
            return await conversation.generate(prompt, sampling, on_text=on_text, on_abort=on_abort)
        except ApiError as error:
            if not prompt.model:
                raise
            raise ModelFailed(error) from error

    async def build_response(self, completions: Sequence[Completion]) -> Body:
        """Build each choice by the model that decoded it."""
        bodies = [await (await self.open(each.prompt.model)).build_response([each]) for each in completions]
        choices = [choice | {"index": at} for at, body in enumerate(bodies) for choice in body["choices"]]
        return bodies[0] | {"choices": choices}

    async def open(self, model: str) -> Conversation:
        """Open the conversation with a model, once; the empty name is the request's own. Raises ApiError."""
        if model not in self._conversations:
            async with self._locks[model]:
                if model not in self._conversations:
                    request = self.request.model_copy(update={"model": model}) if model else self.request
                    self._conversations[model] = await self.backend.converse(request, self.prompt, self.salt)
        return self._conversations[model]
