"""What one request may spend. Reserve before decoding, settle after: the cap is exact."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SHARE = 256
"""Tokens. Below this, a sample waits for its siblings' change rather than be cut to a stump."""


class BudgetExhausted(Exception):
    """Nothing is left to spend."""


@dataclass(slots=True)
class Grant:
    """`async with`: what is reserved when the block is entered, and settled when it is left."""

    budget: "Budget"
    wanted: int | None
    among: int
    tokens: int | None = None
    """The most that may be decoded; None: no limit of ours."""
    used: int = 0

    async def __aenter__(self) -> "Grant":
        self.tokens = await self.budget.take(self.wanted, self.among)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.budget.settle(self)

    @property
    def clipped(self) -> bool:
        """The budget, and nothing else, kept this decode from going on."""
        return self.tokens is not None and (self.wanted is None or self.tokens < self.wanted)


class Budget:
    def __init__(self, tokens: int | None = None, deadline: float | None = None) -> None:
        """`tokens`: completion tokens in all. `deadline`: seconds on the event loop's clock. None: no limit."""
        self.left, self.deadline = tokens, deadline
        self.short = False
        """Whether it cut a decode or kept one from starting."""
        self.out = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def may_end(self) -> bool:
        """There is a deadline, at which what has been decoded so far will have to do."""
        return self.deadline is not None

    def reserve(self, wanted: int | None, among: int = 1) -> Grant:
        """A grant of at most `wanted` tokens, at most a fair share of what is left `among` siblings.

        Waits while siblings hold the rest and may give some back. Raises BudgetExhausted when nothing will come back.
        """
        return Grant(self, wanted, among)

    @contextmanager
    def kept(self, tokens: int) -> Iterator[None]:
        """Within the block so many tokens, at most half of what is left, cannot be spent: they are for what follows."""
        kept = 0 if self.left is None else min(tokens, self.left // 2)
        self.left = None if self.left is None else self.left - kept
        try:
            yield
        finally:
            self.left = None if self.left is None else self.left + kept

    async def take(self, wanted: int | None, among: int) -> int | None:
        if self.left is None:
            return wanted
        enough = SHARE if wanted is None else min(SHARE, wanted)
        while self.out and self.left < enough:
            change = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            await change
        if self.left <= 0:
            raise BudgetExhausted
        share = max(self.left // among, enough)
        tokens = min(self.left, share if wanted is None else min(share, wanted))
        self.left -= tokens
        self.out += 1
        return tokens

    def settle(self, grant: Grant) -> None:
        if self.left is None or grant.tokens is None:
            return
        self.left += grant.tokens - grant.used
        self.out -= 1
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)
