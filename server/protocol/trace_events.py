"""The events of a search, as its trace and the progress chunks of its stream have them.

Typed dictionaries: a search may have thousands, and orjson writes a dictionary as it stands.
"""

from typing import NotRequired

from typing_extensions import TypedDict

from cogitate.strategies.core.events import Role, Stopped
from cogitate.strategies.core.programs import Reason


class StartFields(TypedDict):
    """A decode was submitted."""

    index: int
    role: Role
    parent: int | None
    """The decode that it continues, revises or judges; of several, the first."""
    model: str
    seed: int | None


class ToolCallFields(TypedDict):
    name: str
    arguments: str


class DecodeFields(TypedDict):
    """A decode ended, or was stopped."""

    index: int
    role: Role
    parent: int | None
    """The decode that it continues, revises or judges; of several, the first."""
    depth: int
    """Tokens decoded one after another up to its end."""
    model: str
    seed: int | None
    started: float | None
    """When it was submitted, in seconds since the search began; null where an earlier search drew it."""
    tokens: int
    finish_reason: str
    aborted: bool
    characters: int
    """The length of its text."""
    logprob: float | None
    """The mean log-probability of its tokens; null where the search does not need it."""
    prompt: int | None
    """The number of its prompt among the search's distinct ones; null where an earlier search drew it."""
    prompt_tokens: int
    cached_tokens: int | None
    """Of `prompt_tokens`, those in the engine's prefix cache; null where it does not tell."""
    prefix_tokens: int
    """Of `prompt_tokens`, those that an earlier decode of this search has decoded, and that are not billed again."""
    counted: bool
    """Whether the engine told how many tokens it decoded; else `tokens` is a lower bound."""
    reused: NotRequired[bool]
    """True where an earlier search drew it: its tokens are not billed."""
    text: NotRequired[str]
    """Absent where it is not asked for."""
    tool_calls: NotRequired[list[ToolCallFields]]


# "class" is no name in Python's syntax.
VoteFields = TypedDict("VoteFields", {"index": int, "answer": str | None, "class": int | None, "weight": float | None})
"""The answer that was read from a candidate: its vote. A later vote of the same candidate takes its place.

`answer`: null where it abstains. `class`: the candidate that was the first to give this answer, or one that counts as
equal. `weight`: null where the strategy does not weigh votes, or not yet.
"""


class ExecutionFields(TypedDict):
    """A candidate's program was run."""

    index: int
    reason: Reason
    seconds: float


class VerdictFields(TypedDict):
    """A verifier scored a candidate. `steps` is empty, and `score` null, where its verdict was lost."""

    index: int
    verifier: str
    score: float | None
    steps: list[float]
    tokens: int
    """Tokens that a reward model read, which are billed as prompt and as verification."""


class FailureFields(TypedDict):
    """The engine lost a decode."""

    index: int
    role: Role
    reason: str
    model: str


class LeaderFields(TypedDict):
    """The answer that would be given if the search ended now."""

    index: int
    answer: str | None
    agreement: float | None
    score: float | None


class ShedFields(TypedDict):
    """The vote was decided at this posterior probability, lower than asked for, because other requests wait."""

    confidence: float


class ElectorFields(TypedDict):
    """A candidate that could have been chosen, as it was compared with the others."""

    index: int
    score: float | None
    """The verifier's, or the mean of the others' where that was lost."""
    complete: int | None
    """3: it has an answer; 2: it ended by itself; 1: it was cut off; 0: it has no text; null: not by merit."""
    logprob: float | None
    """Of a solution in steps: that of all of them."""
    characters: int
    """Of a solution in steps: those of all of them."""


class EndFields(TypedDict):
    """The search ended. `index`: the decode that is the answer, or the last one of it."""

    index: int
    answer: str | None
    stopped: Stopped
    agreement: float | None
    score: float | None
