"""Body of `GET /v1/traces/{id}`: one search, with every event and its time."""

from typing import Any, Literal

from typing_extensions import TypedDict

from cogitate.server.protocol.trace_events import (
    DecodeFields,
    ElectorFields,
    EndFields,
    ExecutionFields,
    FailureFields,
    LeaderFields,
    ShedFields,
    StartFields,
    VerdictFields,
    VoteFields,
)
from cogitate.strategies.core.election import Rule

TRACE_VERSION = 1
"""It grows when a field changes its meaning, or goes; new fields and kinds of events may come without."""


class Timed(TypedDict):
    at: float
    """Seconds since the search began."""


class TraceStart(StartFields, Timed):
    kind: Literal["start"]


class TraceDecode(DecodeFields, Timed):
    kind: Literal["decode"]


class TraceVote(VoteFields, Timed):
    kind: Literal["vote"]


class TraceExecution(ExecutionFields, Timed):
    kind: Literal["execution"]


class TraceVerdict(VerdictFields, Timed):
    kind: Literal["verdict"]


class TraceFailure(FailureFields, Timed):
    kind: Literal["failure"]


class TraceLeader(LeaderFields, Timed):
    kind: Literal["leader"]


class TraceShed(ShedFields, Timed):
    kind: Literal["shed"]


class TraceEnd(EndFields, Timed):
    kind: Literal["end"]
    rule: Rule | None
    """How it was chosen; null where nothing else could be, or where the search ended before it had chosen."""
    electorate: list[ElectorFields]
    """Those among which the rules `votes`, `merit`, `refined`, `judged` and `written` chose, in order."""


TraceEvent = (
    TraceStart
    | TraceDecode
    | TraceVote
    | TraceExecution
    | TraceVerdict
    | TraceFailure
    | TraceLeader
    | TraceShed
    | TraceEnd
)


class TraceUsage(TypedDict):
    """Tokens of the search."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    aborted_tokens: int
    verifier_tokens: int
    uncounted: int
    """Decodes whose tokens the engine did not report: the other numbers do not count all of their tokens."""
    depth: int
    """Tokens decoded one after the other on the longest path."""


class TraceSummary(TypedDict):
    """One search, without its events and its request."""

    id: str
    """The request's id."""
    object: Literal["trace"]
    version: int
    """Of this schema."""
    status: str
    """`running`, `completed`, `cached`, or the code of the error that ended the search.

    `cached`: the answer is that of an earlier search, whose trace this server does not have.
    """
    created: int
    model: str
    strategy: dict[str, Any] | None
    """The strategy with all its options."""
    seed: int | None
    """The client's, from which those of the decodes derive."""
    usage: TraceUsage
    answer: str | None
    """As it was read; null where none could be, and while the search runs."""
    agreement: float | None
    stopped: str | None
    """Why the search ended; null while it runs, or where it failed."""


class SearchTrace(TraceSummary):
    """The record of one search, without the request."""

    events: list[TraceEvent]


class TraceResponse(SearchTrace):
    """The record of one search."""

    request: dict[str, Any] | None
    """The request's body, for the key that sent it; null for other keys of its tenant."""


class TraceList(TypedDict):
    """A tenant's latest searches, the newest first, without events and requests."""

    object: Literal["list"]
    data: list[TraceSummary]
    has_more: bool
