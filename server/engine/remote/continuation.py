"""Going on from the very tokens: the conversation as the upstream's own template writes it, and what was decoded since.

A step-wise search that sent text would have it tokenised anew at every step, and go on from other tokens than were
decoded. This needs an upstream that tokenises and tells the tokens it decodes: vLLM.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cogitate.server.engine.remote.errors import Lost
from cogitate.server.engine.remote.request_body import Asking
from cogitate.server.engine.remote.validate import are_counts, mapping
from cogitate.strategies.core.types import Prompt

Tokenise = Callable[[bytes], Awaitable[object]]
"""Asks the upstream's /tokenize."""


@dataclass(slots=True)
class Continuation:
    """The tokens of one request's conversations: each is tokenised once, however many steps go on from it."""

    asking: Asking
    tokenise: Tokenise
    _known: dict[object, tuple[object, list[int]]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def tokens(self, prompt: Prompt) -> list[int]:
        ids = list(await self._rendered(prompt))
        for piece in prompt.pieces:
            ids += piece.ids if piece.ids is not None else await self._words(piece.text)
        return ids

    async def tag(self, text: str) -> int | None:
        """The one token that a tag of the model's is; None where it is more, or nothing."""
        ids = await self._words(text)
        return ids[0] if len(ids) == 1 else None

    async def _rendered(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt.raw, tuple):
            return list(prompt.raw)
        if isinstance(prompt.raw, str):
            return await self._words(prompt.raw, special=True)
        return await self._once(id(prompt.messages), prompt.messages, lambda: self.asking.tokenized(prompt))

    async def _words(self, text: str, *, special: bool = False) -> list[int]:
        return await self._once((text, special), None, lambda: self.asking.words(text, special=special))

    async def _once(self, key: object, keep: object, body: Callable[[], bytes]) -> list[int]:
        """`keep`: what must live as long as the key, which is its identity."""
        async with self._turn:
            if key not in self._known:
                self._known[key] = (keep, token_ids(await self.tokenise(body())))
        return self._known[key][1]


def token_ids(answer: object) -> list[int]:
    ids = mapping(answer).get("tokens")
    if not isinstance(ids, list) or not are_counts(ids):
        raise Lost("did not tell the tokens of a text")
    return ids
