"""The `Plan` of a request: names resolved, cost bounded, cache key computed."""

import time
from dataclasses import dataclass, field

from cogitate.server.auth.caller import Caller
from cogitate.server.planning.cost import DEFAULT_MAX_TOKENS
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.decisions import DecisionRequest
from cogitate.server.protocol.json import unix_time
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.ports import ABILITIES, Ability
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.core.vote_prior import VotePrior

EMPTY_PROMPT = Prompt(())
DEFAULT_SAMPLING = Sampling(max_tokens=DEFAULT_MAX_TOKENS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request that can be run as it is."""

    request: AnyRequest | ResponsesRequest | DecisionRequest | PlainBody
    model: str
    """The model's name as the client wrote it."""
    strategy: AnyStrategy | None
    """None: the engine answers."""
    width: int
    """Maximum number of generations in flight at once."""
    cost: int
    """Maximum number of tokens it may decode."""
    key: str | None
    """The cache key; None: not cached."""
    prompt: Prompt = EMPTY_PROMPT
    """What the strategy solves; empty without one, since the engine reads the request itself."""
    sampling: Sampling = DEFAULT_SAMPLING
    """How the strategy samples."""
    caller: Caller = Caller()
    abilities: frozenset[Ability] = ABILITIES
    """What the engine can do."""
    context: int | None = None
    """Context length, in tokens, of the model that writes a strategy's last answer; None: unknown."""
    served_model: str = ""
    """The name of the model that the request itself asks for, without a suffix."""
    vote_prior: VotePrior | None = None
    """The operator's prior on votes of this model and preset."""
    copies: int = 1
    """Without a strategy: the number of equal choices that the engine's one is returned as."""
    warnings: tuple[str, ...] = ()
    """What the client should know of how its request was planned."""
    id: str = ""
    """The `id` of the answer."""
    created: int = field(default_factory=unix_time)
    started: float = field(default_factory=time.monotonic, compare=False)
    """Monotonic time from which `budget.seconds` counts; time in the queue counts too."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the client's own deadline; None: it sets none."""
        budget = None if isinstance(self.request, PlainBody) else self.request.budget
        return None if budget is None or budget.seconds is None else self.started + budget.seconds - time.monotonic()

    @property
    def number(self) -> str:
        """The unique part of the answer's id."""
        return answer_number(self.id)

    @property
    def strategy_name(self) -> str:
        """The strategy's name; `none` without one, as in metrics."""
        return self.strategy.name if self.strategy else "none"

    @property
    def is_shareable(self) -> bool:
        """Whether identical requests that arrive meanwhile may be given this answer, and this one theirs."""
        is_relayed_stream = self.strategy is None and self.request.stream
        return self.key is not None and self.request.cache != "refresh" and not is_relayed_stream

    @property
    def waits_for_peers(self) -> bool:
        """Whether it waits for another process that computes the same answer.

        Not with a deadline: another process hands over only the finished answer, no best so far.
        """
        return self.is_shareable and self.seconds_left is None

    @property
    def reader(self) -> AnswerReader:
        """How answers are extracted from candidates."""
        tools = isinstance(self.request, ChatRequest) and self.request.offers_tools
        if self.strategy is None:
            return AnswerReader(tools=tools)
        return AnswerReader(format=self.strategy.answer_format, vote_on=self.strategy.vote_on, tools=tools)

    @property
    def answer_count(self) -> int:
        """Number of answers that the client wants."""
        return self.request.n or 1


def answer_number(answer_id: str) -> str:
    """The unique part of an answer's id: its 32 hex digits."""
    return answer_id.rpartition("-")[2]
