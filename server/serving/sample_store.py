"""Samples of searches, kept for later requests with the same prompt and sampling, which draw only what is missing.

They live in the cache, per tenant and as long as answers do, each counted from when it was drawn; over Redis they are
encrypted with the cache's secret. New samples join those that are kept when they are written.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cogitate.server.cache import Cache, MemoryCache
from cogitate.server.cache.encryption import Encryption
from cogitate.server.protocol.json import unix_time
from cogitate.server.serving.stored_sample import StoredSample, encode_sample, join_samples, parse_samples
from cogitate.server.settings import Settings
from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.stock import SampleStock, identify
from cogitate.strategies.core.types import Completion

EMPTY_ENTRY = b"[]"
MEMORY_PARTS = 4
"""In one process samples have this part of --cache-bytes, in addition to the answers' own."""


@dataclass(frozen=True, slots=True)
class SampleStore:
    """Reads and writes the samples of searches. `seconds`: how long a sample lives."""

    cache: Cache
    encryption: Encryption
    seconds: int
    run_in_background: Callable[[Coroutine[object, object, None]], None]

    @asynccontextmanager
    async def open(
        self, key: str | None, *, reads: bool, keeps: bool, vocab_size: int | None
    ) -> AsyncIterator[SampleStock]:
        """Yield the samples under `key`, and keep those that the block draws. None: neither.

        `reads`: whether earlier samples are used; without, new ones replace them. `keeps`: whether new ones are kept.
        """
        old = await self._fetch(key, vocab_size) if reads and key else ()
        earlier = defaultdict[str, list[Completion]](list)
        for sample in old:
            earlier[sample.prompt].append(sample.to_completion())
        stock = SampleStock(earlier)
        yield stock
        if key and keeps and stock.drawn:
            self.run_in_background(self._put(key, stock.drawn, vocab_size, replaces=not reads))

    async def _fetch(self, key: str, vocab_size: int | None) -> Sequence[StoredSample]:
        value = await self.cache.get(key)
        entry = None if value is None else self.encryption.decrypt(key, value)
        if entry is None:
            return ()
        samples = await offload(lambda: parse_samples(entry, vocab_size), len(entry))
        now = unix_time()
        return [sample for sample in samples if now - self.seconds < sample.created <= now]

    async def _put(self, key: str, drawn: Sequence[Completion], vocab_size: int | None, *, replaces: bool) -> None:
        old = () if replaces else await self._fetch(key, vocab_size)
        size = sum(len(each.text) + len(each.token_ids) + len(each.logprobs) for each in drawn)
        size += sum(len(each.text) + len(each.logprobs.ids if each.logprobs else each.token_ids) for each in old)
        entry = await offload(lambda: _encode(old, drawn), size)
        if len(entry) > len(EMPTY_ENTRY):
            await self.cache.put(key, self.encryption.encrypt(key, entry))


def build_sample_store(
    settings: Settings, cache: Cache, run_in_background: Callable[[Coroutine[object, object, None]], None]
) -> SampleStore:
    """Build the store over the cache that processes share; in one process, over memory of its own.

    So that samples, which are larger, do not evict answers.
    """
    seconds = settings.cache_ttl
    own = cache if cache.shared else MemoryCache(ttl=seconds, max_bytes=settings.cache_bytes // MEMORY_PARTS)
    return SampleStore(own, Encryption(settings.cache_secret if cache.shared else None), seconds, run_in_background)


def _encode(old: Sequence[StoredSample], drawn: Sequence[Completion]) -> bytes:
    now, prompts = unix_time(), {id(sample.prompt): sample.prompt for sample in drawn}
    names = {at: identify(prompt) for at, prompt in prompts.items()}
    new = (encode_sample(names[id(sample.prompt)], sample, now) for sample in drawn)
    return join_samples([*(each.model_dump_json().encode() for each in old), *filter(None, new)])
