"""Grades by the equality of a vote: the answers' types, and algebra where they are expressions. For callers that block.

The prover's processes start with the first pair that needs a proof, and end with this process.
"""

import asyncio
import atexit
import threading
from functools import cache, lru_cache

from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.strategies.answers import canonical
from cogitate.strategies.core.equivalence import are_equal

PROOF_SECONDS = 10.0
"""Limit for one proof: a grade, unlike a vote, is not waited for by a client."""


class BlockingProver:
    """The prover port over a pool in a thread of its own: each proof blocks the caller."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="prover", daemon=True)
        self._thread.start()
        self._pool = EquivalencePool(seconds=PROOF_SECONDS)

    async def equal(self, a: str, b: str) -> bool:
        """Whether two expressions are shown to be equal."""
        return _prove(self, min(a, b), max(a, b))

    def prove(self, a: str, b: str) -> bool:
        """Block until the pool has a verdict."""
        return asyncio.run_coroutine_threadsafe(self._pool.equal(a, b), self._loop).result()

    def close(self) -> None:
        """End the processes and the thread."""
        asyncio.run_coroutine_threadsafe(self._pool.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@lru_cache(maxsize=65_536)
def _prove(prover: BlockingProver, a: str, b: str) -> bool:
    return prover.prove(a, b)


class LazyProver:
    """The prover port that starts its processes when first asked. The evaluation's grades and replays share one."""

    async def equal(self, a: str, b: str) -> bool:
        """Whether two expressions are shown to be equal. Blocks."""
        return await _open_prover().equal(a, b)


@cache
def _open_prover() -> BlockingProver:
    prover = BlockingProver()
    atexit.register(prover.close)
    return prover


@lru_cache(maxsize=65_536)
def are_keys_equal(a: str, b: str) -> bool:
    """Whether two canonical forms are one answer. Blocks; where it asks the prover, for seconds at most."""
    coroutine = are_equal(a, b, LazyProver())
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return bool(finished.value)
    raise RuntimeError("a prover that blocks never waits for an event loop")


def are_answers_equal(a: str, b: str, *, is_ordered: bool = False) -> bool:
    """Whether two answers as written are one; `is_ordered`: a list is in the order that the question asks for."""
    return are_keys_equal(canonical(a, is_ordered=is_ordered), canonical(b, is_ordered=is_ordered))
