"""How many samples of a vote are in flight, by the state of its stop rule.

Let k be the fewest further votes after which the rule may stop: all of them for the leader (`votes_to_settle`).
Whatever the samples say, k more must be decoded, so k in flight waste nothing. Each one beyond k is a bet: it saves a
wait where one of the k is slow or disagrees, and is aborted, at up to its whole length, where the others settle the
vote. So SPECULATION times k are in flight, and bets go no further than MAX_SPECULATIVE samples, or half of n, so that
a small vote is not all bet. Two things follow, without a rule of their own:

- While nobody disagrees, k falls by one with each vote, and those in flight already settle the vote: none is started.
- Once votes differ, k rises (of `beta`: 4 at no votes, 5 at 1:1, 6 at 2:2), and more are started than have ended.

A wider launch also lets short samples vote first, which are not the right ones more often. Under load k are in flight,
and at most a quarter of n or four: bets are paid by the requests that wait. What the constants give on thirteen banks
is in deploy/results/launch.md. Adaptive-Consistency (arXiv:2305.11860) draws one at a time, which needs the fewest
tokens and takes as many times as long as votes are cast.
"""

import math
from dataclasses import dataclass
from typing import Literal

from cogitate.strategies.core.concurrency import Width

Preference = Literal["tokens", "latency"]
SPECULATION = 2
MAX_SPECULATIVE = 8
MIN_WIDTH_UNDER_LOAD = 4
CONCURRENCY_DESCRIPTION = (
    f"Samples in flight. null: {SPECULATION} times as many as could settle the vote, at most {MAX_SPECULATIVE} or half "
    "of n, and under load as many as could settle it"
)
PREFER_DESCRIPTION = (
    "`tokens`: samples start as the vote needs them; `latency`: all n start at once, unless other requests wait. Both "
    "stop by the same rule; `concurrency` overrules both."
)


@dataclass(frozen=True, slots=True)
class LaunchPolicy:
    """When the samples of one vote start."""

    n: int
    first: int
    """The votes that may settle the vote when none is cast."""
    concurrency: int | None = None
    """The client's width, which overrules the policy."""
    prefer: Preference = "tokens"
    speculates: bool = True
    """Whether more samples may be in flight than can settle the vote."""

    @property
    def limit(self) -> int:
        """The most samples in flight."""
        if self.concurrency or self.prefer == "latency":
            return min(self.concurrency or self.n, self.n)
        return min(self.n, max(self.first, min(MAX_SPECULATIVE, self.n // 2) * self.speculates))

    def width(self, needed: int, *, under_load: bool) -> int:
        """The samples in flight while `needed` further votes may settle the vote, unless the client set a width."""
        if under_load:
            return min(needed, self.limit, max(MIN_WIDTH_UNDER_LOAD, self.n // 4))
        if self.prefer == "latency":
            return self.n
        return min(math.ceil(SPECULATION * needed) if self.speculates else needed, self.limit)

    def follow(self, needed: Width) -> int | Width:
        """The width of a race whose votes still need `needed()` more to be settled."""
        return self.concurrency or (
            lambda *, under_load: self.width(needed(under_load=under_load), under_load=under_load)
        )
