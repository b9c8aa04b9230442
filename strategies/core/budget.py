"""Limits of one request: tokens, time and engine load.

Tokens are reserved before a decode and settled after it, so that the cap is exact.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cogitate.strategies.core.interrupt import Interrupt
from cogitate.strategies.core.types import Sampling

MIN_SHARE_TOKENS = 256
"""A sample waits for its siblings to return tokens rather than start with less than this.

Ours, untuned: a chain of thought that is truncated early costs its tokens without a vote.
"""


class BudgetExhausted(Exception):
    """No tokens are left, and no running decode will return any."""


@dataclass(slots=True)
class Grant:
    """An async context manager that reserves tokens on entry and settles the unused ones on exit."""

    budget: "Budget"
    max_tokens: int | None
    """The tokens asked for; None: no limit."""
    siblings: int
    """Decodes, this one included, that share what is left."""
    tokens: int | None = None
    """The tokens that may be decoded; None: no limit of the budget's."""
    used: int = 0
    """Tokens decoded; the caller sets it before the block ends."""

    async def __aenter__(self) -> "Grant":
        self.tokens = await self.budget.acquire(self.max_tokens, self.siblings)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.budget.settle(self)

    @property
    def is_binding(self) -> bool:
        """Whether the budget, and no other limit, bounds this decode."""
        return self.tokens is not None and (self.max_tokens is None or self.tokens < self.max_tokens)


class Budget:
    """What one request may spend, and how its search was shortened.

    Args:
        tokens: Completion tokens in all; None: no limit.
        deadline: Seconds on the event loop's clock; None: no limit.
        under_load: Tells whether other requests wait for the engine.
        closing: Tokens beyond `tokens` for closing a thought, where aborted decodes of unknown length count in full.
    """

    def __init__(
        self,
        tokens: int | None = None,
        deadline: float | None = None,
        under_load: Callable[[], bool] = lambda: False,
        closing: int = 0,
    ) -> None:
        self.tokens_left, self.deadline, self.under_load = tokens, deadline, under_load
        self.closing = closing
        self.interrupt = Interrupt()
        """Ends the search before its deadline."""
        self.is_short = False
        """Whether it cut a decode, or prevented one from starting."""
        self.spared = 0
        """Samples that were not needed, because the answer was decided without them."""
        self.on_shed: Callable[[float], None] = lambda _: None
        """Called with the confidence at which a search ends early for the sake of others."""
        self._open_grants = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def has_deadline(self) -> bool:
        """Whether the search may have to end with what has been decoded so far."""
        return self.deadline is not None

    def shed_load(self, confidence: float) -> bool:
        """Return whether other requests wait, so that the search should end at this lower confidence; records it."""
        under_load = self.under_load()
        if under_load:
            self.on_shed(confidence)
        return under_load

    def reserve(self, max_tokens: int | None, siblings: int = 1) -> Grant:
        """Return a grant of at most `max_tokens`, and at most a fair share of what is left for `siblings` decodes.

        Entering it waits while siblings have reserved the rest and may return some of it. Raises BudgetExhausted where
        nothing will be returned.
        """
        return Grant(self, max_tokens, siblings)

    @contextmanager
    def set_aside(self, tokens: int) -> Iterator[None]:
        """Reserve tokens for what follows the block: `tokens`, at most half of what is left, cannot be spent in it."""
        reserved = 0 if self.tokens_left is None else min(tokens, self.tokens_left // 2)
        self.tokens_left = None if self.tokens_left is None else self.tokens_left - reserved
        try:
            yield
        finally:
            self.tokens_left = None if self.tokens_left is None else self.tokens_left + reserved

    def take_beyond(self, tokens: int) -> int | None:
        """Take out of the budget what it has beyond `tokens`, and return it; None where it has no limit."""
        extra = 0 if self.tokens_left is None else max(0, self.tokens_left - tokens)
        self.give_back(-extra)
        return None if self.tokens_left is None else extra

    def give_back(self, tokens: int) -> None:
        """Return tokens that were taken and not spent."""
        self.tokens_left = None if self.tokens_left is None else self.tokens_left + tokens

    async def acquire(self, max_tokens: int | None, siblings: int) -> int | None:
        """Take a grant's tokens out of the budget. Raises BudgetExhausted."""
        if self.tokens_left is None:
            return max_tokens
        enough = MIN_SHARE_TOKENS if max_tokens is None else min(MIN_SHARE_TOKENS, max_tokens)
        while self._open_grants and self.tokens_left < enough:
            settled = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled
        if self.tokens_left <= 0:
            raise BudgetExhausted
        share = max(self.tokens_left // siblings, enough)
        tokens = min(self.tokens_left, share if max_tokens is None else min(share, max_tokens))
        self.tokens_left -= tokens
        self._open_grants += 1
        return tokens

    def settle(self, grant: Grant) -> None:
        """Return a grant's unused tokens, and wake the decodes that wait for them."""
        if self.tokens_left is None or grant.tokens is None:
            return
        self.tokens_left += grant.tokens - grant.used
        self._open_grants -= 1
        waiting, self._waiting = self._waiting, []
        for settled in waiting:
            if not settled.done():
                settled.set_result(None)


def apply_grant(sampling: Sampling, tokens: int | None, *, reads_partial: bool) -> Sampling:
    """Return `sampling` limited to `tokens`; the same object where nothing changes, as is usual."""
    same = tokens == sampling.max_tokens and reads_partial == sampling.reads_partial
    return sampling if same else replace(sampling, max_tokens=tokens, reads_partial=reads_partial)


def smallest_limit(*limits: int | None) -> int | None:
    """Return the smallest of the limits, where None is no limit."""
    return min((limit for limit in limits if limit is not None), default=None)
