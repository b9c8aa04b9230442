"""The state of one search: engine, budget and trace, and the methods by which all decodes run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.budget import Budget, BudgetExhausted, apply_grant
from cogitate.strategies.core.equivalence import AnswerClasses
from cogitate.strategies.core.ports import ABILITIES, Ability, Engine, Prover, SampleFailed, Verifier
from cogitate.strategies.core.programs import NoPrograms, Programs
from cogitate.strategies.core.seeds import derive_seed
from cogitate.strategies.core.trace import Aborted, Failed, Role, Sampled, TextEmitted, Trace
from cogitate.strategies.core.types import Completion, Outcome, Prompt, Sampling


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
    incumbent: Outcome | None = None
    """The best outcome so far, which is returned when the budget ends."""
    _decodes: int = 0
    _depth: int = 0
    _classes: AnswerClasses = field(default_factory=AnswerClasses)

    def take_indices(self, n: int) -> int:
        """Return the first of `n` new decode numbers. Seeds derive from them, so they follow program order."""
        self._decodes += n
        return self._decodes - n

    async def attempt(
        self, index: int, prompt: Prompt, sampling: Sampling, role: Role, *, siblings: int
    ) -> Completion | Exception:
        """Decode one completion; return the failure instead of raising it where only this decode fails.

        The budget is shared among `siblings`: the number of decodes still to start, this one included.
        """
        try:
            return await self.decode(index, prompt, sampling, role, siblings=siblings)
        except BudgetExhausted as failure:
            self.budget.is_short = True
            return failure
        except SampleFailed as failure:
            return failure

    async def decode(
        self, index: int, prompt: Prompt, sampling: Sampling, role: Role, *, siblings: int = 1, visible: bool = False
    ) -> Completion:
        """Decode one completion: reserve its tokens, and record it afterwards, even if it is aborted.

        `visible`: its text is streamed to the client. Raises BudgetExhausted and SampleFailed.
        """
        if sampling.seed is not None:
            sampling = replace(sampling, seed=derive_seed(sampling.seed, index))
        async with self.budget.reserve(sampling.max_tokens, siblings) as grant:
            start = self._depth

            def on_abort(partial: Completion) -> None:
                grant.used = partial.completion_tokens if partial.tokens_known else grant.tokens or 0
                self.trace.emit(Aborted(role, replace(partial, index=index), self._advance(start, partial)))

            try:
                completion = await self.engine.generate(
                    prompt,
                    apply_grant(
                        sampling, grant.tokens, reads_partial=sampling.reads_partial or self.budget.has_deadline
                    ),
                    on_text=(lambda delta: self.trace.emit(TextEmitted(delta))) if visible else None,
                    on_abort=on_abort,
                )
            except SampleFailed as failure:
                self.trace.emit(Failed(index, role, str(failure), prompt.model))
                raise
            completion = replace(completion, index=index)
            grant.used = completion.completion_tokens
            event = Aborted if completion.finish == "unsure" else Sampled
            self.trace.emit(event(role, completion, self._advance(start, completion)))
        self.budget.interrupt.check()
        if grant.is_binding and completion.finish == "length":
            self.budget.is_short = True
        return completion

    async def merge_equal(self, answer: Answer | None) -> Answer | None:
        """Return the answer in the classes of this search, where it is counted with those that are equal to it."""
        if answer is None or answer.rule in ("json", "tool"):
            return answer
        await self._classes.add(answer.key, self.prover)
        return replace(answer, classes=self._classes)

    def _advance(self, start: int, completion: Completion) -> int:
        """Return the depth of the search at the end of a decode that began at depth `start`, in tokens."""
        self._depth = max(self._depth, start + completion.completion_tokens)
        return start + completion.completion_tokens
