"""Which solutions are compared: the pairings of a tournament that asks for far fewer verdicts than all pairs take.

Both begin with a ring, in which each solution stands once at each place.

- pivot: LLM-as-a-Verifier's probabilistic pivot tournament (Kwok et al., 2026, arXiv:2607.05391): the best of the ring
  are the pivots, with which all others are compared; n + k(n - k) + k(k - 1)/2 verdicts in all. Deviations: those that
  the ring leaves unbeaten first meet each other until one is left, so that a consistent judge's best solution is a
  pivot and wins, where the paper takes any of them; and the verdicts that this takes are saved on the comparisons of
  the lowest with the last pivot.
- swiss: V1-Infer (Singh et al., 2026, arXiv:2603.04304): the ring is its coverage of the topology at a degree of two;
  then rounds in which each meets its neighbour in the standings. Its budget is three verdicts for each solution.
  Deviation: more rounds above 33 solutions, as many as leave one unbeaten.

Where all pairs in both orders take no more verdicts, all are asked.
"""

import hashlib
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from typing import Literal

from cogitate.strategies.verifiers.standings import Game, Standings

Pairing = Literal["all", "pivot", "swiss"]
PIVOTS = 2
"""k in the paper, and its default."""
MIN_SWISS_ROUNDS = 4
MAX_OPPONENTS = 16
"""Opponents of each solution under `all`; all others where there are fewer."""
Play = Callable[[Sequence[Game]], Awaitable[None]]
"""Asks for the verdicts on some comparisons, and records them."""


def count_verdicts(pairing: Pairing, n: int) -> int:
    """Return the number of verdicts on n different solutions."""
    of_all = n * min(n - 1, MAX_OPPONENTS)
    match pairing:
        case "pivot":
            return min(of_all, n + PIVOTS * (n - PIVOTS) + math.comb(PIVOTS, 2))
        case "swiss":
            return min(of_all, n + count_swiss_rounds(n) * (n // 2))
        case _:
            return of_all


def count_swiss_rounds(n: int) -> int:
    """Return the rounds after the ring, which leaves at most n/2 unbeaten: each round halves them."""
    return max(MIN_SWISS_ROUNDS, math.ceil(math.log2(max(2, n // 2))))


def takes_all_pairs(pairing: Pairing, n: int) -> bool:
    """Return whether every two are compared in both orders."""
    return pairing == "all" or count_verdicts(pairing, n) == n * (n - 1)


def build_ring(texts: Sequence[str]) -> list[Game]:
    """Return a ring over all texts, in an order that depends on nothing but the texts, and not on their likeness."""
    order = sorted(range(len(texts)), key=lambda at: hashlib.sha256(texts[at].encode(errors="replace")).digest())
    return list(zip(order, [*order[1:], order[0]], strict=True))


async def play_tournament(pairing: Pairing, texts: Sequence[str], standings: Standings, play: Play) -> None:
    """Compare the texts by a pairing, in rounds that each depend on the ones before."""
    ring, most = build_ring(texts), count_verdicts(pairing, len(texts))
    await play(ring)
    standings.measure_advantage(ring)
    if pairing == "pivot":
        await play_pivots(standings, play, most)
    else:
        while games := pair_neighbours(standings)[: most - len(standings.results)]:
            await play(games)


async def play_pivots(standings: Standings, play: Play, most: int) -> None:
    """Find the pivots, and compare the others with them, up to `most` verdicts in all."""
    while games := pair_strangers(standings, standings.unbeaten())[: most - len(standings.results)]:
        await play(games)
    ranking = standings.ranking()
    games = list(islice(pair_with_pivots(standings, ranking[:PIVOTS], ranking), most - len(standings.results)))
    await play(games)


def pair_strangers(standings: Standings, solutions: Sequence[int]) -> list[Game]:
    """Pair solutions that have not met, each at most once."""
    games, waiting = list[Game](), list(solutions)
    while waiting:
        one = waiting.pop(0)
        other = next((each for each in waiting if not standings.have_met(one, each)), None)
        if other is not None:
            waiting.remove(other)
            games.append(put_first(standings, one, other))
    return games


def pair_with_pivots(standings: Standings, pivots: Sequence[int], ranking: Sequence[int]) -> Iterator[Game]:
    """Yield the comparisons with each pivot in turn, those of strangers first and the other order of old ones last.

    Each pivot stands first and second in turn.
    """
    pairs = [(pivot, other) for at, pivot in enumerate(pivots) for other in ranking if other not in pivots[: at + 1]]
    for met in (False, True):
        for turn, (pivot, other) in enumerate(pairs):
            if standings.have_met(pivot, other) == met:
                yield from standings.open_orders(*((pivot, other) if turn % 2 else (other, pivot)))[:1]


def pair_neighbours(standings: Standings) -> list[Game]:
    """Pair each solution with the next below it that it has not met; else with the next in the other order."""
    games, waiting = list[Game](), standings.ranking()
    while len(waiting) > 1:
        one = waiting.pop(0)
        strangers = [each for each in waiting if not standings.have_met(one, each)]
        rivals = strangers or [each for each in waiting if standings.open_orders(one, each)]
        if rivals:
            waiting.remove(rivals[0])
            games.append(put_first(standings, one, rivals[0]))
    return games


def put_first(standings: Standings, a: int, b: int) -> Game:
    """Return the comparison of two in an open order, first whoever stood first less often."""
    return min(standings.open_orders(a, b), key=lambda order: standings.count_firsts(order[0]))
