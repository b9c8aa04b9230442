"""The Backend port over OpenAI-compatible replicas."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from cogitate.server.engine import Body, CannotStart, Conversation, Load, ModelCard
from cogitate.server.engine.remote import capabilities, model_card, passthrough
from cogitate.server.engine.remote.config import Path, Patience, Upstream
from cogitate.server.engine.remote.continuation import Continuation
from cogitate.server.engine.remote.errors import Down, Lost, Throttled
from cogitate.server.engine.remote.load_balancer import Home, Replicas
from cogitate.server.engine.remote.model_card import DEFAULT_CONTEXT, Model
from cogitate.server.engine.remote.replica import Ask
from cogitate.server.engine.remote.reply import Reply
from cogitate.server.engine.remote.request import RemoteConversation
from cogitate.server.engine.remote.request_body import Asking, Dialect
from cogitate.server.errors import ApiError, ContextTooLong, Unready
from cogitate.server.protocol.chat import AnyRequest, ChatRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.ports import Ability, Verifier
from cogitate.strategies.core.types import Prompt

log = logging.getLogger("cogitate.remote")
AGAIN = 1.0
"""Seconds between two looks for a replica that answers, before there is any."""
TEMPLATE_TOKENS = 64
"""More than a chat template adds to a message."""


@dataclass(slots=True)
class RemoteBackend:
    """`model`: the upstream's own name for it; None: the first that it lists. `able`: None: found out."""

    upstreams: Sequence[Upstream]
    model: str | None = None
    name: str | None = None
    patience: Patience = field(default_factory=Patience)
    able: frozenset[Ability] | None = None
    replicas: Replicas = field(init=False)
    _card: ModelCard | None = None
    _dialect: Dialect | None = None

    def __post_init__(self) -> None:
        self.replicas = Replicas(self.upstreams, self.patience)

    async def open(self) -> None:
        """Waits for a replica that answers. Raises CannotStart for what waiting cannot mend."""
        for upstream in self.upstreams:
            upstream.check()
        model = model_card.chosen(await self._listing(), self.model)
        able = self.able if self.able is not None else await capabilities.found(model.name, self._asked)
        continues = "continue" in able
        self._dialect = Dialect(model.name, model.vllm or continues, continues, "n" in able, model.context)
        self._card = described(model, self.name, able)
        log.info("upstream model %s can: %s", model.name, ", ".join(sorted(able)) or "answer")

    async def close(self) -> None:
        await self.replicas.close()

    async def failed(self) -> str:
        """Never: an upstream's death is not ours. Requests are refused until it is back."""
        await asyncio.Event().wait()
        raise AssertionError

    @property
    def card(self) -> ModelCard:
        if self._card is None:
            raise Unready("No upstream has answered yet.")
        return self._card

    @property
    def dialect(self) -> Dialect:
        if self._dialect is None:
            raise Unready("No upstream has answered yet.")
        return self._dialect

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return {}

    def load(self) -> Load:
        return Load(self.replicas.in_flight, 0)

    def pulse(self) -> object:
        """Nothing is decoded here: an upstream that stands still is a replica to be ejected."""
        return None

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str = "") -> Conversation:
        home = self.replicas.home(affinity(request))
        asking = Asking(request, self.dialect, salt)

        async def tokenise(body: bytes) -> object:
            return await self._at(home, "tokenize", body)

        continuation = Continuation(asking, tokenise)
        conversation = RemoteConversation(request, self.replicas, home, asking, continuation)
        if self.dialect.continues and may_be_too_long(prompt, self.card.max_model_len):
            conversation.prompt_tokens = await self._measured(continuation, prompt)
        return conversation

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str = "") -> Body | AsyncIterator[str]:
        home = self.replicas.home(affinity(request))
        return await passthrough.answer(request, self.replicas, home, self.dialect, self.card.name, salt)

    async def _measured(self, continuation: Continuation, prompt: Prompt) -> int:
        length, longest = len(await continuation.tokens(prompt)), self.card.max_model_len
        if length >= longest:
            words = f"The maximum context length is {longest} tokens, and the prompt has {length}."
            raise ContextTooLong(words, param="messages" if prompt.raw is None else "prompt")
        return length

    async def _listing(self) -> object:
        while True:
            try:
                return await self._asked("models", b"")
            except (Lost, Down, Throttled):
                await asyncio.sleep(AGAIN)
            except ApiError as error:
                if self.model is not None:
                    return {}
                reason = "the upstream refuses to list its models: is COGITATE_UPSTREAM_API_KEY right?"
                raise CannotStart(reason) from error

    async def _asked(self, path: Path, body: bytes) -> object:
        return await self._at(self.replicas.home(path.encode()), path, body)

    async def _at(self, home: Home, path: Path, body: bytes) -> object:
        return await self.replicas.answer(Ask(path, body, self.replicas.until()), home, Reply.json)


def described(model: Model, name: str | None, able: frozenset[Ability]) -> ModelCard:
    return ModelCard(name or model.name, model.revision, model.context or DEFAULT_CONTEXT, model.created, able)


def affinity(request: AnyRequest | ResponsesRequest) -> bytes:
    """What requests of one conversation have in common: its first messages."""
    if isinstance(request, CompletionRequest):
        said: object = request.prompt
    else:
        chat = request if isinstance(request, ChatRequest) else request.chat()
        said = [(message.role, message.content) for message in chat.prompt.messages[:2]]
    return hashlib.blake2b(orjson.dumps(said), digest_size=16).digest()


def may_be_too_long(prompt: Prompt, longest: int) -> bool:
    """A token is at least a byte, so most prompts need not be measured."""
    raw = len(prompt.raw.encode() if isinstance(prompt.raw, str) else prompt.raw or ())
    size = sum(len(message.text.encode()) + TEMPLATE_TOKENS for message in prompt.messages)
    return size + raw >= longest
