"""What a model reported of each token that it decoded. Pure.

A sample of thousands of tokens, each with its alternatives, is kept in four columns. As objects the samples of one
request would be millions, which the garbage collector goes through again and again while everything else stands still.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import eq
from typing import Self, overload


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One decoded token, natural-log probability under the raw (untempered) softmax, and its best alternatives."""

    id: int
    text: str
    logprob: float
    top: tuple["TokenLogprob", ...] = ()


class Logprobs(Sequence[TokenLogprob]):
    """The tokens of one sample, in order. It may grow; a token is made when it is asked for."""

    __slots__ = ("ids", "starts", "texts", "total", "values")

    def __init__(self, tokens: Iterable[TokenLogprob] = ()) -> None:
        starts, each = [], list[TokenLogprob]()
        for token in tokens:
            starts.append(len(each))
            each += (token, *token.top)
        self.starts = array("q", starts)
        """Where each token begins in the other columns: itself, and behind it its alternatives."""
        self.ids = array("q", [token.id for token in each])
        self.values = array("d", [token.logprob for token in each])
        # A tuple: of one that holds strings alone the collector lets go.
        self.texts: tuple[str | None, ...] = tuple([token.text for token in each])
        self.total = sum(self.values[start] for start in starts)

    def extend(
        self, starts: Sequence[int], ids: Sequence[int], values: Sequence[float], texts: Sequence[str | None]
    ) -> None:
        """More tokens, in columns whose `starts` count from their own beginning."""
        begun = len(self.ids)
        self.total += sum(map(values.__getitem__, starts))
        self.starts += array("q", [begun + start for start in starts])
        self.ids += array("q", ids)
        self.values += array("d", values)
        self.texts = (*self.texts, *texts)

    @property
    def mean(self) -> float | None:
        """Of the tokens that were chosen; None of nothing."""
        return self.total / len(self.starts) if self.starts else None

    def likelihoods(self) -> Iterator[tuple[float, Sequence[float]]]:
        """Each token's log-probability, and its alternatives'."""
        for start, end in pairwise((*self.starts, len(self.ids))):
            yield self.values[start], self.values[start + 1 : end]

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, at: int) -> TokenLogprob: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> TokenLogprob | Self:
        if isinstance(at, slice):
            return self._part(range(len(self))[at])
        at = range(len(self))[at]
        start, end = self.starts[at], self._end(at)
        columns = zip(self.ids[start:end], self.texts[start:end], self.values[start:end], strict=True)
        token, *top = (TokenLogprob(id, text or "", value) for id, text, value in columns)
        return replace(token, top=tuple(top)) if top else token

    def _part(self, places: range) -> Self:
        if places.step != 1 or not places:
            return type(self)(self[at] for at in places)
        start, end = self.starts[places.start], self._end(places.stop - 1)
        part = type(self)()
        starts = [begun - start for begun in self.starts[places.start : places.stop]]
        part.extend(starts, self.ids[start:end], self.values[start:end], self.texts[start:end])
        return part

    def _end(self, at: int) -> int:
        return self.starts[at + 1] if at + 1 < len(self.starts) else len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Logprobs({list(self)})"


def pack(tokens: Sequence[TokenLogprob]) -> Logprobs:
    """What a completion keeps, to which nobody adds."""
    if isinstance(tokens, Logprobs):
        return tokens
    return Logprobs(tokens) if tokens else NO_LOGPROBS


NO_LOGPROBS = Logprobs()
"""Of the many samples of which nothing was asked."""


def concatenate(parts: Iterable[Logprobs]) -> Logprobs:
    """One behind the other."""
    whole = Logprobs()
    for part in parts:
        whole.extend(part.starts, part.ids, part.values, part.texts)
    return whole
