"""The Backend port over OpenAI-compatible replicas."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cogitate.server.engine import Body, CannotStart, Conversation, Events, Load, ModelCard, UpstreamState
from cogitate.server.engine.error_message import write_context_message
from cogitate.server.engine.remote.capabilities import PROBED_FIELDS, probe_abilities
from cogitate.server.engine.remote.config import Endpoint, Timeouts, UpstreamConfig
from cogitate.server.engine.remote.continuation import Continuation
from cogitate.server.engine.remote.discovery import Discovery, Resolve, resolve_name
from cogitate.server.engine.remote.errors import UPSTREAM_NOT_FOUND, UpstreamBusy, UpstreamDown, UpstreamFailed
from cogitate.server.engine.remote.load_balancer import Affinity, LoadBalancer
from cogitate.server.engine.remote.model_card import DEFAULT_CONTEXT_TOKENS, UpstreamModel, select_model
from cogitate.server.engine.remote.passthrough import forward
from cogitate.server.engine.remote.prefix_chain import build_prefix_chain, chain_parts
from cogitate.server.engine.remote.request import RemoteConversation
from cogitate.server.engine.remote.request_body import Dialect, RequestBuilder
from cogitate.server.engine.remote.upstream_response import UpstreamRequest, UpstreamResponse
from cogitate.server.errors import ApiError, ContextTooLong, NotReady
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.ports import Ability, Verifier
from cogitate.strategies.core.prompt import Prompt

log = logging.getLogger("cogitate.remote")
RETRY_SECONDS = 1.0
"""Delay between two attempts to list the models, until a replica responds."""
TEMPLATE_TOKENS_PER_MESSAGE = 64
"""More than a chat template adds to a message."""


@dataclass(slots=True)
class RemoteBackend:
    """Serves one model over its upstreams.

    Args:
        upstreams: At least one.
        model: The upstreams' name of the model; None: the first that is listed.
        name: This server's name of it; None: the same.
        timeouts: Of every upstream call.
        abilities: What the upstreams support; None: it is probed by `open`.
        resolve: Reads the DNS names of upstreams, each of whose addresses is a replica.
    """

    upstreams: Sequence[UpstreamConfig]
    model: str | None = None
    name: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    abilities: frozenset[Ability] | None = None
    resolve: Resolve = resolve_name
    balancer: LoadBalancer = field(init=False)
    discovery: Discovery = field(init=False)
    _card: ModelCard | None = None
    _dialect: Dialect | None = None

    def __post_init__(self) -> None:
        self.balancer = LoadBalancer(self.upstreams, self.timeouts)
        self.discovery = Discovery(self.upstreams, self.balancer.update, self.resolve)

    async def open(self) -> None:
        """Wait for a replica that responds. Raises CannotStart for what waiting cannot solve."""
        for upstream in self.upstreams:
            upstream.validate()
        await self.discovery.start()
        model = select_model(await self._fetch_model_list(), self.model, alias=self.name)
        abilities = self.abilities if self.abilities is not None else await probe_abilities(model.name, self._fetch)
        continues = "continue" in abilities
        self._dialect = Dialect(
            model.name,
            vllm=model.is_vllm or continues,
            continues=continues,
            batches="n" in abilities,
            seeds="seed" in abilities,
            context=model.max_model_len,
        )
        self._card = build_model_card(model, self.name, abilities)
        log.info("upstream model %s can: %s", model.name, ", ".join(sorted(abilities)) or "answer")

    async def close(self) -> None:
        await self.discovery.close()
        await self.balancer.close()

    async def wait_for_failure(self) -> str:
        """Never return: when all upstreams fail, requests are refused until one is back."""
        await asyncio.Event().wait()
        raise AssertionError

    @property
    def card(self) -> ModelCard:
        if self._card is None:
            raise NotReady("No upstream has responded yet.")
        return self._card

    @property
    def dialect(self) -> Dialect:
        if self._dialect is None:
            raise NotReady("No upstream has responded yet.")
        return self._dialect

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return {}

    def load(self) -> Load:
        return Load(self.balancer.sequences, 0)

    def list_upstreams(self) -> Sequence[UpstreamState]:
        return [
            UpstreamState(each.name, each.in_flight, each.health.ejected, each.health.ejections, each.retries)
            for each in self.balancer.replicas
        ]

    def progress_marker(self) -> object:
        """None: nothing is decoded here, and an upstream that stalls is a replica to be ejected."""
        return None

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str = "") -> Conversation:
        affinity = self.balancer.assign(build_prefix_chain(request, salt))
        builder = RequestBuilder(request, self.dialect, salt)
        continuation = self._build_continuation(builder, affinity)
        conversation = RemoteConversation(request, self.balancer, affinity, builder, continuation)
        if self.dialect.continues and may_exceed_context(prompt, self.card.max_model_len):
            conversation.prompt_tokens = await self._count_prompt_tokens(continuation, prompt)
        return conversation

    async def count_tokens(self, request: AnyRequest, prompt: Prompt, salt: str = "") -> int | None:
        if not self.dialect.continues:
            return None
        affinity = self.balancer.assign(build_prefix_chain(request, salt))
        continuation = self._build_continuation(RequestBuilder(request, self.dialect, salt), affinity)
        return len(await continuation.encode(prompt))

    def _build_continuation(self, builder: RequestBuilder, affinity: Affinity) -> Continuation:
        async def tokenize(body: bytes) -> object:
            return await self._fetch_from(affinity, "tokenize", body)

        return Continuation(builder, tokenize)

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str = "") -> Body | Events:
        affinity = self.balancer.assign(build_prefix_chain(request, salt))
        return await forward(request, self.balancer, affinity, self.dialect, self.card.name, salt)

    async def _count_prompt_tokens(self, continuation: Continuation, prompt: Prompt) -> int:
        """Raises ContextTooLong where the prompt leaves no room for a token."""
        count, limit = len(await continuation.encode(prompt)), self.card.max_model_len
        if count >= limit:
            message = write_context_message(limit, count)
            raise ContextTooLong(message, param="messages" if prompt.raw is None else "prompt")
        return count

    async def _fetch_model_list(self) -> object:
        """Raises CannotStart where a replica refuses to list its models, and no model is named."""
        reason = ""
        while True:
            try:
                return await self._fetch("models", b"")
            except (UpstreamFailed, UpstreamDown, UpstreamBusy) as error:
                cause = error.__cause__ if isinstance(error, UpstreamDown) else error  # of the last one's ejection
                if isinstance(cause, ApiError) and cause.message != reason:
                    reason = cause.message
                    log.warning("waiting for %s: %s", ", ".join(each.name for each in self.balancer.replicas), reason)
                await asyncio.sleep(RETRY_SECONDS)
            except ApiError as error:
                if self.model is not None:
                    return {}
                is_missing = error.code == UPSTREAM_NOT_FOUND
                remedy = "does its URL end in /v1?" if is_missing else "is COGITATE_UPSTREAM_API_KEY right?"
                raise CannotStart(f"the upstream refuses to list its models: {remedy}") from error

    async def _fetch(self, endpoint: Endpoint, body: bytes) -> object:
        return await self._fetch_from(self.balancer.assign(chain_parts([endpoint.encode()])), endpoint, body)

    async def _fetch_from(self, affinity: Affinity, endpoint: Endpoint, body: bytes) -> object:
        request = UpstreamRequest(endpoint, body, self.balancer.deadline(), required=PROBED_FIELDS)
        return await self.balancer.fetch(request, affinity, UpstreamResponse.read_json)


def build_model_card(model: UpstreamModel, name: str | None, abilities: frozenset[Ability]) -> ModelCard:
    context = model.max_model_len or DEFAULT_CONTEXT_TOKENS
    return ModelCard(name or model.name, model.revision, context, model.created, abilities)


def may_exceed_context(prompt: Prompt, max_tokens: int) -> bool:
    """Whether the prompt must be tokenised to know. A token is at least one byte, so most prompts need not be."""
    raw = len(prompt.raw.encode() if isinstance(prompt.raw, str) else prompt.raw or ())
    size = sum(len(message.text.encode()) + TEMPLATE_TOKENS_PER_MESSAGE for message in prompt.messages)
    return size + raw >= max_tokens
