"""Several models behind one Backend: the one in this process, or the first upstream's, and further upstreams' ones."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import FastAPI

from cogitate.server.engine.base import (
    Backend,
    Body,
    Conversation,
    Events,
    HasApplication,
    HasUpstreams,
    Load,
    ModelCard,
    UpstreamState,
)
from cogitate.server.errors import NotReady
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.prompt import Prompt

log = logging.getLogger("cogitate")
GRACE_SECONDS = 5.0
"""At the start, all models are waited for this long: settings that cannot work stop it. Later, for any one of them."""


class Fleet:
    """The Backend port over several models. Each request goes to the model that its `model` names.

    A model that does not respond at the start is asked again in the background; its requests are refused meanwhile.
    """

    def __init__(self, backends: Mapping[str, Backend], grace_seconds: float = GRACE_SECONDS) -> None:
        """`backends`: by the name that clients use. The first one answers for unknown names, and has the verifiers."""
        self.backends = dict(backends)
        self.first = next(iter(self.backends.values()))
        self.grace_seconds = grace_seconds
        self._opening: list[asyncio.Task[None]] = []

    @property
    def upstream_names(self) -> tuple[str, ...]:
        """The names of all models but the first."""
        return tuple(self.backends)[1:]

    async def open(self) -> None:
        """Return once a model has responded: a model in this process, where there is one. Raises CannotStart."""
        self._opening = [asyncio.create_task(backend.open(), name=name) for name, backend in self.backends.items()]
        if isinstance(self.first, HasApplication):
            await self._opening[0]
        done, waiting = await asyncio.wait(
            self._opening, timeout=self.grace_seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        while not done:
            done, waiting = await asyncio.wait(self._opening, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        for task in waiting:
            log.warning("the model %s does not respond yet: it is asked again until it does", task.get_name())
            task.add_done_callback(_report_failure)

    async def close(self) -> None:
        for task in self._opening:
            task.cancel()
        await self._wait_for_ends()
        for backend in self.backends.values():
            await backend.close()

    async def _wait_for_ends(self) -> None:
        """Wait until nothing opens any more; `open` has raised, or logged, the failure that counts."""
        if self._opening:
            await asyncio.wait(self._opening)
        for task in self._opening:
            if not task.cancelled():
                task.exception()  # else it is logged as never retrieved

    async def wait_for_failure(self) -> str:
        waiting = [asyncio.create_task(backend.wait_for_failure()) for backend in self.backends.values()]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return done.pop().result()

    @property
    def card(self) -> ModelCard:
        """The card of the first model that has responded, which knows the others. Raises NotReady where none has."""
        cards = self._read_cards()
        name = next((name for name, card in cards.items() if card), None)
        if name is None:
            raise NotReady("No upstream has responded yet.")
        return _join_cards(cards, name)

    def find_card(self, model: str) -> ModelCard:
        """Return the card of the model that a request names, which knows the others; that of `card` for no name of one.

        Raises NotReady where that model has not responded yet.
        """
        cards = self._read_cards()
        name = self._find_name(model, cards)
        if name is None:
            return self.card
        if cards[name] is None:
            raise NotReady(f"The model {name} has not responded yet.", code="upstream_down")
        return _join_cards(cards, name)

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return self.first.verifiers

    def load(self) -> Load:
        loads = [backend.load() for backend in self.backends.values()]
        return Load(sum(load.running for load in loads), sum(load.waiting for load in loads))

    def list_upstreams(self) -> Sequence[UpstreamState]:
        return [
            replace(upstream, name=f"{name}={upstream.name}")
            for name, backend in self.backends.items()
            if isinstance(backend, HasUpstreams)
            for upstream in backend.list_upstreams()
        ]

    def progress_marker(self) -> object:
        return self.first.progress_marker()

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str) -> Conversation:
        return await self._find(request.model).converse(request, prompt, salt)

    async def count_tokens(self, request: AnyRequest, prompt: Prompt, salt: str) -> int | None:
        return await self._find(request.model).count_tokens(request, prompt, salt)

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str) -> Body | Events:
        return await self._find(request.model).answer(request, salt)

    def _find(self, model: str) -> Backend:
        name = self._find_name(model, self._read_cards())
        return self.first if name is None else self.backends[name]

    def _find_name(self, model: str, cards: Mapping[str, ModelCard | None]) -> str | None:
        """Return the backend's name for a request's `model`, with a suffix or without; None where none has it."""
        if model in cards:
            return model
        names = {each: name for name, card in cards.items() for each in (name, *(card.names if card else ()))}
        found = [each for each in names if model == each or model.startswith(f"{each}@")]
        return names[max(found, key=len)] if found else None

    def _read_cards(self) -> dict[str, ModelCard | None]:
        return {name: _read_card(backend) for name, backend in self.backends.items()}


class ApplicationFleet(Fleet):
    """Upstreams' models beside the model in this process, whose engine has an application of its own."""

    def application(self) -> FastAPI:
        return self._own.application()

    async def list_models(self) -> Sequence[Mapping[str, Any]]:
        return await self._own.list_models()

    async def call_route(self, body: PlainBody, salt: str) -> Body | Events:
        return await self._own.call_route(body, salt)

    @property
    def _own(self) -> HasApplication:
        assert isinstance(self.first, HasApplication)
        return self.first


def find_card(backend: Backend, model: str) -> ModelCard:
    """Return the card of the model that a request names. Raises NotReady."""
    return backend.find_card(model) if isinstance(backend, Fleet) else backend.card


def _read_card(backend: Backend) -> ModelCard | None:
    try:
        return backend.card
    except NotReady:
        return None


def _join_cards(cards: Mapping[str, ModelCard | None], name: str) -> ModelCard:
    card = cards[name]
    assert card is not None
    return replace(card, others={other: each for other, each in cards.items() if other != name})


def _report_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("the model %s cannot be used: %s", task.get_name(), error)
