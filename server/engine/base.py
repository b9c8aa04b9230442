"""The Backend port: a model that decodes for strategies and answers plain requests."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from fastapi import FastAPI

from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.ports import ABILITIES, Ability, Engine, Verifier
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion

Body: TypeAlias = dict[str, Any]
"""A JSON response body as the engine wrote it, with fields of its own: a `chat.completion` for a ChatRequest, a
`text_completion` for a CompletionRequest, a `response` for a ResponsesRequest. Models of the fields that this server
reads: `protocol.chat_response`, `protocol.completion_response`, `protocol.response_object`."""


class Events(Protocol):
    """A stream of server-sent events. Each item is one complete event, its terminating blank line included.

    Chat and text completions: `data: {chunk}\\n\\n`, and `data: [DONE]\\n\\n` last. Responses: `event: {type}\\ndata:
    {event}\\n\\n`, and no [DONE]. Async generators are such streams.
    """

    def __aiter__(self) -> AsyncIterator[str]: ...

    async def __anext__(self) -> str: ...

    async def aclose(self) -> None:
        """Abort the decode. A reader that stops early calls this, since a reference may outlive the reader."""


class CannotStart(Exception):
    """The engine cannot start. The message is one line with cause and remedy, for the terminal."""


class WrongFlag(CannotStart):
    """The command line has a flag that the engine does not know either: the process ends with status 2."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The model that a backend serves."""

    name: str
    """The name that clients use."""
    revision: str
    """Identifies weights, configuration and engine: a part of every cache key."""
    max_model_len: int
    """Context length in tokens, of prompt and completion together."""
    created: int
    """Unix time in seconds."""
    abilities: frozenset[Ability] = ABILITIES
    """What the engine can do. Requests that need another ability are refused."""
    capacity: int = 4096
    """Sequences that the engine runs at once; further ones would wait inside it."""
    vocab_size: int | None = None
    """Token ids are below it; None: unknown."""
    media_domains: frozenset[str] = frozenset()
    """Hosts from which the engine may fetch images."""
    aliases: tuple[str, ...] = ()
    """Further names of the same model."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Name -> identity of each LoRA adapter that is loaded now; the identity is a part of the adapter's cache keys."""
    others: Mapping[str, "ModelCard | None"] = field(default_factory=dict, compare=False)
    """The server's further models by name; None: one that has not responded yet."""

    @property
    def names(self) -> tuple[str, ...]:
        """All names that clients may use."""
        return (self.name, *self.aliases, *self.adapters)

    def resolve(self, model: str) -> str:
        """Return the name in a request's `model`, with a suffix (NAME@strategy) or without; `name` where none is."""
        if model == self.name or not (self.aliases or self.adapters):
            return self.name
        found = [name for name in self.names if model == name or model.startswith(f"{name}@")]
        return max(found, key=len, default=self.name)

    def find(self, name: str) -> "ModelCard | None":
        """Return the card of one of the server's models; None: it has not responded yet. Raises LookupError."""
        if name in self.names:
            return self
        known = {each: card for other, card in self.others.items() for each in (other, *(card.names if card else ()))}
        return known[name]


@dataclass(frozen=True, slots=True)
class Load:
    """Number of sequences in the engine."""

    running: int
    waiting: int


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """One of the upstreams that the operator has configured."""

    name: str
    """Its URL as it is configured, with its address in place of a DNS name; NAME=URL where there are several models."""
    in_flight: int = 0
    is_ejected: bool = False
    ejections: int = 0
    """How often it was ejected."""
    retries: int = 0
    """How many of its failed calls another one was asked again."""


@runtime_checkable
class HasUpstreams(Protocol):
    """A backend, or a part of one, that calls upstreams."""

    def list_upstreams(self) -> Sequence[UpstreamState]: ...


@runtime_checkable
class ReportsUsage(Protocol):
    """Events that have told their `usage` at their end, also where the client has not asked for it."""

    @property
    def usage(self) -> Mapping[str, Any] | None: ...


class Conversation(Engine, Protocol):
    """One accepted and rendered request: strategies decode through it, and it writes their response."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the client's prompt; 0 where the engine does not report them before it decodes."""

    async def build_response(self, completions: Sequence[Completion]) -> Body:
        """Build a `chat.completion` or `text_completion` with these completions as its choices, in order.

        The engine's own parsers separate reasoning, content and tool calls. Raises ApiError.
        """


@runtime_checkable
class TenantScoped(Protocol):
    """A verifier with an engine whose prefix cache would be shared by all tenants without a salt."""

    def with_salt(self, salt: str) -> Verifier:
        """Return this verifier for the tenant with this salt."""


def salt_verifiers(verifiers: Mapping[str, Verifier], salt: str) -> dict[str, Verifier]:
    """Return the verifiers, each that is TenantScoped with this salt."""
    return {
        name: verifier.with_salt(salt) if isinstance(verifier, TenantScoped) else verifier
        for name, verifier in verifiers.items()
    }


class Backend(Protocol):
    """A model in this process or at upstream replicas.

    `salt`: requests share the engine's prefix cache with requests of the same salt only. Otherwise the time to the
    first token would reveal to one tenant what another has asked.
    """

    @property
    def card(self) -> ModelCard:
        """Raises NotReady before `open` has returned."""

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        """The backend's own verifiers by name, such as `reward` for a served reward model."""

    async def open(self) -> None:
        """Load the model. May take minutes. Raises CannotStart, or whatever else the engine raises."""

    async def close(self) -> None:
        """Stop the engine. May be called before `open` has returned."""

    async def wait_for_failure(self) -> str:
        """Return the reason, in one line, when the engine has died."""

    def load(self) -> Load: ...

    def progress_marker(self) -> object:
        """Return a value that changes whenever this process's engine decodes a token; None while it has no work."""

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str) -> Conversation:
        """Accept a request and render its first prompt.

        Raises ApiError for what the engine does not take: a context that is too long, a token id out of range.
        """

    async def count_tokens(self, request: AnyRequest, prompt: Prompt, salt: str) -> int | None:
        """Return the number of tokens of a prompt; None where the engine cannot tell before it decodes.

        Raises ApiError.
        """

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str) -> Body | Events:
        """Answer a request without a strategy, with every field that the engine itself returns.

        Returns the response body, or its Events where the request asks for a stream. Cancelling the call, or closing
        the stream, aborts the engine's work. Raises ApiError; while a stream is read, too.
        """


@runtime_checkable
class HasApplication(Protocol):
    """A backend whose engine comes with a server application of its own: vLLM's."""

    def application(self) -> FastAPI:
        """Return the application; routes may be attached until it serves. Raises NotReady before `open`."""

    async def list_models(self) -> Sequence[Mapping[str, Any]]:
        """Return the entries of the application's own /v1/models."""

    async def call_route(self, body: PlainBody, salt: str) -> Body | Events:
        """Call the application's own route for a plain body, as `Backend.answer` answers a parsed request."""
