"""A replica in virtual time: a prefix cache, a queue, one prefill at a time, and decodes that share each step."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from cogitate.server.engine.remote.transport import CallTimeouts, Origin, ResponseStream, Transport

SLOTS = 64
"""Sequences that run at once; more wait."""
CACHE_TOKENS = 120_000
PREFILL_TOKENS_PER_SECOND = 10_000.0
STEP_SECONDS, STEP_SECONDS_PER_SEQUENCE = 0.012, 0.000_1
"""A decode step takes the first, and the second for each sequence that runs."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a prompt: a message. `tokens`: its length."""

    text: bytes
    tokens: int


@dataclass(slots=True)
class Work:
    """One call: its prompt, and the tokens that are decoded."""

    prompt: tuple[Part, ...]
    answer: Part
    began: float
    """Virtual seconds, as the others."""
    first_token: float = 0.0
    ended: float = 0.0
    cached_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        return sum(part.tokens for part in self.prompt)


@dataclass(slots=True)
class PrefixCache:
    """Least recently used prefixes, each with the tokens that it adds to the one before it."""

    capacity: int = CACHE_TOKENS
    _tokens: OrderedDict[int, int] = field(default_factory=OrderedDict)
    _size: int = 0

    def add(self, parts: tuple[Part, ...]) -> None:
        """Store all prefixes of a prompt. The longest is evicted first, as its blocks are freed first."""
        for prefix, tokens in reversed(list(list_prefixes(parts))):
            self._size += 0 if prefix in self._tokens else tokens
            self._tokens[prefix] = tokens
            self._tokens.move_to_end(prefix)
        while self._size > self.capacity:
            self._size -= self._tokens.popitem(last=False)[1]

    def match(self, parts: tuple[Part, ...]) -> int:
        """Return the tokens of the longest prefix in the cache."""
        matched = 0
        for prefix, tokens in list_prefixes(parts):
            if prefix not in self._tokens:
                break
            matched += tokens
        return matched


def list_prefixes(parts: tuple[Part, ...]) -> list[tuple[int, int]]:
    """List the prefixes, shortest first: an identity, and the tokens that its last part adds."""
    prefixes, identity = [], 0
    for part in parts:
        identity = hash((identity, part.text))
        prefixes.append((identity, part.tokens))
    return prefixes


@dataclass(slots=True)
class SimulatedTransport(Transport):
    """The transport of one replica. The body of a call is the key of its work; its response is empty."""

    works: Mapping[bytes, Work] = field(default_factory=dict)
    cache: PrefixCache = field(default_factory=PrefixCache)
    running: int = 0
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SLOTS))
    _prefill: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def exchange(self, origin: Origin, message: bytes, timeouts: CallTimeouts) -> ResponseStream:
        """Serve a call; returns its response at the end."""
        await self._serve(self.works[message.rpartition(b"\r\n\r\n")[2]])
        return ResponseStream(None, timeouts, 200, [])

    async def _serve(self, work: Work) -> None:
        loop = asyncio.get_running_loop()
        async with self._slots:
            async with self._prefill:
                work.cached_tokens = self.cache.match(work.prompt)
                await asyncio.sleep((work.prompt_tokens - work.cached_tokens) / PREFILL_TOKENS_PER_SECOND)
                self.cache.add(work.prompt)
            self.running += 1
            step = STEP_SECONDS + STEP_SECONDS_PER_SEQUENCE * self.running
            work.first_token = loop.time() + step
            await asyncio.sleep(step * work.answer.tokens)
            self.running -= 1
            self.cache.add((*work.prompt, work.answer))
            work.ended = loop.time()
