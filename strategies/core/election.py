"""How an outcome was chosen among others, for the trace: whoever reads it can choose again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Rule = Literal["votes", "merit", "refined", "longest", "judged", "written", "shown", "closed"]
"""By what an outcome was chosen.

votes: the answer with the largest sum of weights, by one of its candidates; by merit where all abstain. merit: the best
single candidate. refined: the last one whose score was no lower than that of the best before it. longest: the longest
text, of those with an answer where there are any; of a search that ended before it had chosen. judged: by the model's
verdicts. written: the last text, which was written from others. shown: the text that a stream had shown. closed: an
unfinished text, closed for somebody who asked.
"""


@dataclass(frozen=True, slots=True)
class Election(Generic[T]):
    """A rule, and those among which it chose, in order. Both may grow until the search ends."""

    rule: Rule
    electorate: Sequence[T] = ()
    weigh: Callable[[T], float] | None = None
    """Returns the weight of a vote of the rule `votes`."""
