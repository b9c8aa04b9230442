"""What can happen in the search of one request: the events of its trace. Frozen."""

from dataclasses import dataclass
from typing import Literal

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.programs import Reason
from cogitate.strategies.core.types import Completion, Outcome, TextDelta

Role = Literal["candidate", "step", "extraction", "verifier"]
CANDIDATE_ROLES: tuple[Role, ...] = ("candidate", "step")
"""The roles whose decodes compete for the answer."""
Stopped = Literal["completed", "decided", "deadline", "budget", "asked", "draining"]
"""Why a search ended: every candidate was decoded, the vote was decided, or a limit or a request ended it early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A decode was submitted to the engine."""

    index: int
    role: Role
    parent: int | None
    """The decode whose text it continues, revises or judges."""
    model: str
    """The model that it was submitted to; empty: the request's own."""
    seed: int | None
    prompt: int
    """The number of its prompt: decodes of one number are billed for one prompt."""
    seconds: float
    """Since the search began; where it started before it was known to be needed, that time."""
    depth: int
    """The tokens that had been decoded one after another before it."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A decode that ran to its end, in this search or, where its completion is `reused`, in an earlier one."""

    role: Role
    completion: Completion
    depth: int = 0
    """Tokens that had to be decoded one after another up to its end: its own, and those that it waited for."""
    start: Started | None = None
    """Its beginning, as it was recorded."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """A decode that was cancelled, or ended as `unsure`; its tokens are spent all the same."""

    role: Role
    completion: Completion
    depth: int = 0
    start: Started | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A decode that failed."""

    index: int
    role: Role
    reason: str
    model: str = ""
    """The name of the model that failed; empty: the request's own."""
    span: int = 0
    """See `Completion.span`."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A candidate's vote. A later one of the same candidate takes its place."""

    completion: Completion
    answer: Answer | None
    """The answer read from it; None: it abstains."""
    bloc: int | None = None
    """The candidate that was the first to give this answer, or one that counts as equal; None where it abstains."""
    weight: float | None = None
    """None where the strategy does not weigh it, or not yet."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A candidate's program ran in the sandbox."""

    completion: Completion
    reason: Reason
    seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A verifier scored a candidate."""

    completion: Completion
    steps: tuple[float, ...]
    """The score of each step; empty where the verdict was lost."""
    tokens: int
    """Tokens read by a model of the verifier's own."""
    score: float | None
    """The aggregated score; None where the verdict was lost."""
    warnings: tuple[str, ...] = ()
    """The verifier's."""
    verifier: str = ""
    """Its name."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """The best outcome so far has changed."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TextEmitted:
    """Visible text, as it is decoded or inserted."""

    delta: TextDelta


@dataclass(frozen=True, slots=True)
class Shed:
    """The search ended early under load: its vote was decided at a lower posterior than requested."""

    confidence: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The search ended."""

    outcome: Outcome
    stopped: Stopped


Event = Started | Sampled | Aborted | Failed | Cast | Executed | Scored | Proposed | TextEmitted | Shed | Finished
