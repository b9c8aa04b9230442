"""Where tokens come from: the Backend port, and its adapters."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from cogitate.server.protocol.chat import AnyRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.ports import ABILITIES, Ability, Engine, Verifier
from cogitate.strategies.core.types import Completion, Prompt

Body = dict[str, Any]
"""A JSON object of OpenAI's API."""


class CannotStart(Exception):
    """Why an engine does not start: one line for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The model a backend serves."""

    name: str
    revision: str
    """Tells one set of weights and settings from another: part of every cache key."""
    max_model_len: int
    created: int
    abilities: frozenset[Ability] = ABILITIES
    """What the engine can do: a request that needs more is refused."""
    capacity: int = 4096
    """Generations that it runs at once; more would only wait inside it."""


@dataclass(frozen=True, slots=True)
class Load:
    """Sequences in the engine now."""

    running: int
    waiting: int


class Conversation(Engine, Protocol):
    """One chat request, accepted and rendered: what strategies decode through and their answer is written with."""

    @property
    def prompt_tokens(self) -> int: ...

    async def present(self, completions: Sequence[Completion]) -> Body:
        """The chat.completion, or text_completion, with these completions as its choices, read by its own parsers."""


@runtime_checkable
class Shared(Protocol):
    """A verifier with an engine of its own, whose cache tenants share unless each has a salt."""

    def salted(self, salt: str) -> Verifier: ...


def salted(verifiers: Mapping[str, Verifier], salt: str) -> dict[str, Verifier]:
    """The same, those that tenants would share with this one's salt."""
    return {
        name: verifier.salted(salt) if isinstance(verifier, Shared) else verifier
        for name, verifier in verifiers.items()
    }


class Backend(Protocol):
    @property
    def card(self) -> ModelCard: ...

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        """Verifiers of its own, such as a served reward model."""

    async def open(self) -> None:
        """Load. May take minutes. Raises CannotStart, or whatever else went wrong."""

    async def close(self) -> None: ...

    async def failed(self) -> str:
        """Returns, with the reason, when the engine has died."""

    def load(self) -> Load: ...

    def pulse(self) -> object:
        """Another value whenever a token has been made here since; None while nothing is to be decoded here."""

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str) -> Conversation:
        """The request's means to decode, its first prompt rendered.

        What the engine remembers of prompts is shared by the requests of one `salt` alone: else the time to the first
        token would tell one tenant what another has asked.

        Raises ApiError for what this engine cannot take: a context that is too long, a token out of range.
        """

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str) -> Body | AsyncIterator[str]:
        """The engine's own answer, nothing lost: whole, or its stream as SSE lines. Raises ApiError."""
