"""Token-exact continuation: a prompt as the upstream's own chat template renders it, plus the tokens decoded since.

A step-wise search that sent text would have it tokenised again at every step, and would continue from other tokens than
were decoded. This needs an upstream that has /tokenize and reports the ids of decoded tokens: vLLM.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.request_body import RequestBuilder
from cogitate.server.engine.remote.validate import are_counts, as_dict
from cogitate.strategies.core.prompt import Prompt

Tokenize = Callable[[bytes], Awaitable[object]]
"""Posts a body to the upstream's /tokenize; returns the response's JSON."""


@dataclass(slots=True)
class Continuation:
    """The token ids of one request's prompts. Each text is tokenised once, however many steps continue it."""

    builder: RequestBuilder
    tokenize: Tokenize
    _cache: dict[object, tuple[object, list[int]]] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def encode(self, prompt: Prompt) -> list[int]:
        """Return the prompt's token ids. Raises ApiError."""
        ids = list(await self._encode_start(prompt))
        for segment in prompt.segments:
            ids += segment.ids if segment.ids is not None else await self._encode_text(segment.text)
        return ids

    async def encode_tag(self, text: str) -> int | None:
        """Return the token id of one of the model's tags; None where the tag is not exactly one token."""
        ids = await self._encode_text(text)
        return ids[0] if len(ids) == 1 else None

    async def _encode_start(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt.raw, tuple):
            return list(prompt.raw)
        if isinstance(prompt.raw, str):
            return await self._encode_text(prompt.raw, special=True)
        messages = prompt.messages
        return await self._encode_once(id(messages), messages, lambda: self.builder.build_chat_tokenization(prompt))

    async def _encode_text(self, text: str, *, special: bool = False) -> list[int]:
        build = self.builder.build_text_tokenization
        return await self._encode_once((text, special), None, lambda: build(text, special=special))

    async def _encode_once(self, key: object, owner: object, build_body: Callable[[], bytes]) -> list[int]:
        """`owner` is stored so that it lives as long as `key`, which may be its id()."""
        async with self._lock:
            if key not in self._cache:
                self._cache[key] = (owner, parse_tokens(await self.tokenize(build_body())))
        return self._cache[key][1]


def parse_tokens(response: object) -> list[int]:
    """Return the ids of a /tokenize response. Raises UpstreamFailed."""
    ids = as_dict(response).get("tokens")
    if not isinstance(ids, list) or not are_counts(ids):
        raise UpstreamFailed("returned no token ids from /tokenize")
    return ids
