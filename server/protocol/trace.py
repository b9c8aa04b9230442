"""Body of `GET /v1/traces/{id}`: one search, with every event and its time."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from cogitate.server.protocol.cogitate import (
    AnswerProgress,
    DecodeProgress,
    EndProgress,
    ExecutionProgress,
    FailureProgress,
    LeaderProgress,
    ScoreProgress,
    ShedProgress,
)


class Timed(TypedDict):
    at: float
    """Seconds since the search began."""


class TraceToolCall(TypedDict):
    name: str
    arguments: str


class TraceDecode(DecodeProgress, Timed):
    text: str
    finish_reason: str | None
    continues: bool
    """Whether this decode continued the text of an earlier one."""
    tool_calls: NotRequired[list[TraceToolCall]]


class TraceFailure(FailureProgress, Timed):
    pass


class TraceAnswer(AnswerProgress, Timed):
    pass


class TraceExecution(ExecutionProgress, Timed):
    pass


class TraceScore(ScoreProgress, Timed):
    pass


class TraceLeader(LeaderProgress, Timed):
    pass


class TraceShed(ShedProgress, Timed):
    pass


class TraceEnd(EndProgress, Timed):
    pass


TraceEvent = TraceDecode | TraceFailure | TraceAnswer | TraceExecution | TraceScore | TraceLeader | TraceShed | TraceEnd


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


class SearchTrace(TypedDict):
    """The record of one search, without the request."""

    id: str
    """The request's id."""
    object: Literal["trace"]
    status: str
    """`running`, `completed`, `cached`, or the code of the error that ended the search.

    `cached`: the answer is that of an earlier search, whose trace this server does not have.
    """
    created: int
    model: str
    strategy: dict[str, Any] | None
    """The strategy with all its options."""
    usage: TraceUsage
    events: list[TraceEvent]


class TraceResponse(SearchTrace):
    """The record of one search."""

    request: dict[str, Any] | None
    """The request's body, for the key that sent it; null for other keys of its tenant."""
