"""Log-probabilities of decoded tokens, in columns.

A sample of thousands of tokens, each with its alternatives, is stored in four columns. As objects, the samples of one
request would be millions, which the garbage collector traverses again and again while everything else waits.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import eq
from typing import Self, overload


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A decoded token, its natural-log probability under the raw (untempered) softmax, and likely alternatives."""

    id: int
    text: str
    logprob: float
    top: tuple["TokenLogprob", ...] = ()


class Logprobs(Sequence[TokenLogprob]):
    """The tokens of one sample, in order. It may grow; a TokenLogprob is built on access."""

    __slots__ = ("ids", "starts", "texts", "total", "values")

    def __init__(self, tokens: Iterable[TokenLogprob] = ()) -> None:
        starts, each = [], list[TokenLogprob]()
        for token in tokens:
            starts.append(len(each))
            each += (token, *token.top)
        self.starts = array("q", starts)
        """The offset of each token in the other columns, where its alternatives follow it."""
        self.ids = array("q", [token.id for token in each])
        self.values = array("d", [token.logprob for token in each])
        # A tuple, because the garbage collector untracks a tuple of strings.
        self.texts: tuple[str | None, ...] = tuple([token.text for token in each])
        self.total = sum(self.values[start] for start in starts)

    def extend(
        self, starts: Sequence[int], ids: Sequence[int], values: Sequence[float], texts: Sequence[str | None]
    ) -> None:
        """Append tokens, in columns whose `starts` are relative to their own beginning."""
        offset = len(self.ids)
        self.total += sum(map(values.__getitem__, starts))
        self.starts += array("q", [offset + start for start in starts])
        self.ids += array("q", ids)
        self.values += array("d", values)
        self.texts = (*self.texts, *texts)

    @property
    def mean(self) -> float | None:
        """The mean log-probability of the chosen tokens; None where there are none."""
        return self.total / len(self.starts) if self.starts else None

    def likelihoods(self) -> Iterator[tuple[float, Sequence[float]]]:
        """Yield each token's log-probability, and those of its alternatives."""
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
            return self._slice(range(len(self))[at])
        at = range(len(self))[at]
        start, end = self.starts[at], self._end(at)
        columns = zip(self.ids[start:end], self.texts[start:end], self.values[start:end], strict=True)
        token, *top = (TokenLogprob(id, text or "", value) for id, text, value in columns)
        return replace(token, top=tuple(top)) if top else token

    def _slice(self, indices: range) -> Self:
        if indices.step != 1 or not indices:
            return type(self)(self[at] for at in indices)
        start, end = self.starts[indices.start], self._end(indices.stop - 1)
        part = type(self)()
        starts = [begin - start for begin in self.starts[indices.start : indices.stop]]
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
    """Return the tokens in columns, for a completion, which never grows."""
    if isinstance(tokens, Logprobs):
        return tokens
    return Logprobs(tokens) if tokens else NO_LOGPROBS


NO_LOGPROBS = Logprobs()
"""Shared by all samples without log-probabilities."""


def concatenate(parts: Iterable[Logprobs]) -> Logprobs:
    """Return the tokens of all parts, in order."""
    joined = Logprobs()
    for part in parts:
        joined.extend(part.starts, part.ids, part.values, part.texts)
    return joined
