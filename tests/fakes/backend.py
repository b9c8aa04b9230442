"""The Backend port over a scripted engine."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from cogitate.server.engine import Body, Load, ModelCard
from cogitate.server.engine.error_message import write_context_message
from cogitate.server.errors import ContextTooLong, NotReady
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.ports import OnAbort, OnText
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from cogitate.strategies.core.types import Completion, Sampling
from tests.fakes.chat_bodies import build_chat_completion, build_text_completion, stream_chat_lines
from tests.fakes.responses_api import response, response_lines

VOCABULARY_SIZE = 100_000
"""More words than a test has."""


@runtime_checkable
class RecordsSalts(Protocol):
    """An engine that records the cache salt of each decode."""

    def record_salt(self, salt: str) -> None: ...


def record_salt(engine: ScriptedEngine, salt: str) -> None:
    """Record the salt in an engine that records salts."""
    if isinstance(engine, RecordsSalts):
        engine.record_salt(salt)


def count_prompt_tokens(engine: ScriptedEngine, prompt: Prompt, max_model_len: int) -> int:
    """Count a prompt's tokens. Raises ContextTooLong from `max_model_len` on."""
    if (tokens := len(engine.prompt_ids(prompt))) >= max_model_len:
        raise ContextTooLong(write_context_message(max_model_len, tokens), param="messages")
    return tokens


@dataclass(slots=True)
class ScriptedConversation:
    """The Conversation port over a ScriptedEngine. `raw`: responses are text completions."""

    engine: ScriptedEngine
    prompt_tokens: int
    model: str
    raw: bool = False
    salt: str = ""
    max_model_len: int = 4096

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        record_salt(self.engine, self.salt)
        count_prompt_tokens(self.engine, prompt, self.max_model_len)
        return await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=on_abort)

    async def build_response(self, completions: Sequence[Completion]) -> Body:
        build = build_text_completion if self.raw else build_chat_completion
        bodies = [build(self.model, completion) for completion in completions]
        choices = [choice | {"index": at} for at, body in enumerate(bodies) for choice in body["choices"]]
        return bodies[0] | {"choices": choices}


@dataclass(slots=True)
class ScriptedBackend:
    """A backend over a ScriptedEngine. open() waits for `loading`; the engine fails at `death`."""

    engine: ScriptedEngine
    verifiers: Mapping[str, ScriptedVerifier] = field(default_factory=dict)
    loading: asyncio.Event | None = None
    death: asyncio.Event | None = None
    max_model_len: int = 4096
    closed: bool = False
    name: str = "scripted"

    @property
    def card(self) -> ModelCard:
        if self.loading and not self.loading.is_set():
            raise NotReady("The script is still loading.")
        return ModelCard(self.name, "1", self.max_model_len, 1_700_000_000, vocab_size=VOCABULARY_SIZE)

    async def open(self) -> None:
        if self.loading:
            await self.loading.wait()

    async def close(self) -> None:
        self.closed = True

    async def wait_for_failure(self) -> str:
        await (self.death or asyncio.Event()).wait()
        return "the script says so"

    def load(self) -> Load:
        return Load(self.engine.running, 0)

    def progress_marker(self) -> object:
        return (len(self.engine.calls), self.engine.decoded) if self.engine.running else None

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str = "") -> ScriptedConversation:
        tokens = count_prompt_tokens(self.engine, prompt, self.card.max_model_len)
        raw = isinstance(request, CompletionRequest)
        return ScriptedConversation(self.engine, tokens, request.model, raw, salt, self.max_model_len)

    async def count_tokens(self, request: AnyRequest, prompt: Prompt, salt: str = "") -> int | None:
        return count_prompt_tokens(self.engine, prompt, self.max_model_len)

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str = "") -> Body | AsyncIterator[str]:
        record_salt(self.engine, salt)
        if isinstance(request, CompletionRequest):
            return await self._complete(request)
        if isinstance(request, ResponsesRequest):
            return await self._respond(request)
        conversation = await self.converse(request, request.prompt)
        sampling = Sampling(max_tokens=request.limit, temperature=request.temperature, seed=request.seed)
        completion = await self.engine.generate(request.prompt, sampling)
        body = await conversation.build_response([completion])
        if not request.stream:
            return body
        options = request.stream_options
        return stream_chat_lines(body, usage=bool(options and options.include_usage))

    async def _respond(self, request: ResponsesRequest) -> Body | AsyncIterator[str]:
        prompt = request.to_chat().prompt
        await self.converse(request.to_chat(), prompt)
        completion = await self.engine.generate(prompt, Sampling(max_tokens=request.max_output_tokens))
        body = response("scripted", completion)
        return response_lines(body) if request.stream else body

    async def _complete(self, request: CompletionRequest) -> Body:
        prompt = Prompt((Message("user", str(request.prompt)),))
        return build_text_completion("scripted", await self.engine.generate(prompt, Sampling(max_tokens=request.limit)))
