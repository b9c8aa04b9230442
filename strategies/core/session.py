"""The state of one search: engine, budget and trace, and the methods by which all decodes run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.budget import Budget, BudgetExhausted, apply_grant
from cogitate.strategies.core.early_decodes import EarlyDecode, EarlyDecodes
from cogitate.strategies.core.election import Election
from cogitate.strategies.core.equivalence import AnswerClasses
from cogitate.strategies.core.events import Failed, Role, Shed, TextEmitted
from cogitate.strategies.core.ports import ABILITIES, Ability, Engine, Prover, SampleFailed, Verifier
from cogitate.strategies.core.programs import NoPrograms, Programs
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.recorder import Recorder
from cogitate.strategies.core.seeds import derive_seed
from cogitate.strategies.core.stock import SampleStock
from cogitate.strategies.core.trace import Trace
from cogitate.strategies.core.types import Completion, Outcome, Sampling, TextDelta
from cogitate.strategies.core.vote_log import VoteLog
from cogitate.strategies.core.vote_prior import VotePrior


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """The data of the request that a strategy can read, in addition to its prompt."""

    sampling: Sampling = field(default_factory=Sampling)
    """The client's sampling parameters."""
    reader: AnswerReader = field(default_factory=AnswerReader)
    """Reads answers from candidates."""
    answers: int = 1
    """Number of ranked answers that the client requested."""
    abilities: frozenset[Ability] = ABILITIES
    """Abilities of the engine."""
    vote_prior: VotePrior | None = None
    """The operator's prior on votes; None: the uniform one."""
    context: int | None = None
    """Context length of the engine, in tokens; None: unknown."""
    verifier_model: str = ""
    """The name of the model that verifiers ask; empty: the request's own."""


@dataclass(slots=True, kw_only=True)
class Session:
    """The resources with which `execute()` runs a strategy, and the state that the search leaves.

    The server, the evaluation and tests build it; a strategy uses it through `Run`.
    """

    engine: Engine
    prover: Prover
    request: RequestContext = field(default_factory=RequestContext)
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    programs: Programs = field(default_factory=NoPrograms)
    """Runs programs that the model wrote."""
    budget: Budget = field(default_factory=Budget)
    trace: Trace = field(default_factory=Trace)
    stock: SampleStock = field(default_factory=SampleStock)
    """Samples of earlier searches, which are used first, and of this one."""
    incumbent: Outcome | None = None
    """The best outcome so far, which is returned when the budget ends."""
    early: EarlyDecodes = field(init=False)
    """Decodes that were started before it is known whether they are needed."""
    votes: VoteLog = field(default_factory=VoteLog)
    _record: Recorder = field(init=False)
    _decodes: int = 0
    _classes: AnswerClasses = field(default_factory=AnswerClasses)

    def __post_init__(self) -> None:
        self.early = EarlyDecodes()
        self._record = Recorder(self.trace)
        self.budget.on_shed = partial(record_shed, self.trace)

    def take_indices(self, n: int) -> int:
        """Return the first of `n` new decode numbers. Seeds derive from them, so they follow program order."""
        self._decodes += n
        return self._decodes - n

    def reuse(self, sample: Completion) -> Completion:
        """Record a sample of an earlier search as one of this search, and return it."""
        return self._record.reuse(self.take_indices(1), sample)

    async def attempt(
        self, index: int, prompt: Prompt, sampling: Sampling, role: Role, *, siblings: int, branch: str | None = None
    ) -> Completion | Exception:
        """Decode one completion; return the failure instead of raising it where only this decode fails.

        The budget is shared among `siblings`: the number of decodes still to start, this one included.
        """
        try:
            return await self.decode(index, prompt, sampling, role, siblings=siblings, branch=branch)
        except BudgetExhausted as failure:
            self.budget.is_short = True
            return failure
        except SampleFailed as failure:
            return failure

    async def decode(
        self,
        index: int,
        prompt: Prompt,
        sampling: Sampling,
        role: Role,
        *,
        siblings: int = 1,
        visible: bool = False,
        branch: str | None = None,
    ) -> Completion:
        """Decode one completion: reserve its tokens, and record it afterwards, even if it is aborted.

        `visible`: its text is streamed to the client. `branch`: its name, from which its seed is derived instead of
        from its number; if it has been started early, it is only awaited. Raises BudgetExhausted and SampleFailed.
        """
        async with self.budget.reserve(sampling.max_tokens, siblings) as grant:
            sampling = self._bind(sampling, index if branch is None else branch, grant.tokens)
            early = None if branch is None else self.early.take(branch, prompt, sampling)
            start = self._record.start(index, role, prompt, parent=prompt.parent, seed=sampling.seed, early=early)

            def on_abort(partial: Completion) -> None:
                grant.used = partial.completion_tokens if partial.tokens_known else grant.tokens or 0
                self._record.end(start, partial, is_aborted=True)

            try:
                if early:
                    self.early.assign(early, index)
                    made = await early.finish(on_abort)
                else:
                    on_text = self._show if visible else None
                    made = await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=on_abort)
            except SampleFailed as failure:
                self.trace.emit(Failed(index, role, str(failure), prompt.model, failure.span))
                raise
            completion = self._record.end(start, made)
            grant.used = completion.completion_tokens
        self.budget.interrupt.check()
        self.budget.is_short |= grant.is_binding and completion.finish == "length"
        return completion

    def start_early(self, branch: str, prompt: Prompt, sampling: Sampling, on_end: Callable[[], object]) -> None:
        """Start a decode of which it is not yet known whether it is needed, where tokens are to spare for it.

        `on_end` is called when it ends.
        """
        early = EarlyDecode(
            branch,
            prompt,
            self._bind(sampling, branch, sampling.max_tokens),
            depth=max(self._record.depth, self.early.depth_of(prompt)),
            seconds=self.trace.seconds,
            number=self.early.take_number(),
        )
        self.early.start(early, self.engine, on_end)

    async def merge_equal(self, answer: Answer | None) -> Answer | None:
        """Return the answer in the classes of this search, where it is counted with those that are equal to it."""
        if answer is None or answer.rule in ("json", "tool"):
            return answer
        await self._classes.add(answer.key, self.prover)
        return replace(answer, classes=self._classes)

    def _bind(self, sampling: Sampling, name: int | str, tokens: int | None) -> Sampling:
        """Return the sampling of one decode: with its own seed, limited to `tokens`."""
        if sampling.seed is not None:
            sampling = replace(sampling, seed=derive_seed(sampling.seed, name))
        return apply_grant(sampling, tokens, reads_partial=sampling.reads_partial or self.budget.has_deadline)

    def record_vote(self, candidate: Completion, answer: Answer | None, weight: float | None) -> None:
        """Record a vote, and again those of others whose bloc it changes."""
        for vote in self.votes.cast(candidate, answer, weight):
            self.trace.emit(vote)

    def record_election(self, election: Election[Outcome] | None) -> None:
        """Record again the votes that were counted otherwise than they were recorded so far."""
        if election and election.rule == "votes":
            for vote in self.votes.settle(election):
                self.trace.emit(vote)

    def _show(self, delta: TextDelta) -> None:
        self.trace.emit(TextEmitted(delta))

    def record_dropped(self, early: EarlyDecode, made: Completion) -> None:
        index, prompt = self.take_indices(1), early.prompt
        parent = self.early.number_of(prompt.parent)
        start = self._record.start(index, "step", prompt, parent=parent, seed=early.sampling.seed, early=early)
        self._record.drop(start, made)
        self.early.assign(early, index)


def record_shed(trace: Trace, confidence: float) -> None:
    """Record that the search ends early for the sake of others."""
    trace.emit(Shed(confidence))
