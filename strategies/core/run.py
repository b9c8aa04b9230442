"""Run is the one object a strategy talks to: it decodes, reads, scores, spends and records."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from cogitate.strategies.answers import Answer, given
from cogitate.strategies.core.answer_reader import Reading
from cogitate.strategies.core.budget import Budget, BudgetExhausted
from cogitate.strategies.core.concurrency import Lanes, Width, arrivals, beside, group
from cogitate.strategies.core.equivalence import Classes
from cogitate.strategies.core.offload import apart
from cogitate.strategies.core.ports import ABILITIES, Ability, Engine, Prover, SampleFailed, Verifier
from cogitate.strategies.core.program_value import telling, value_of
from cogitate.strategies.core.programs import NoPrograms, Programs
from cogitate.strategies.core.seeds import derived_seed, granted, least
from cogitate.strategies.core.trace import (
    CANDIDATES,
    Aborted,
    Cast,
    Executed,
    Failed,
    Proposed,
    Role,
    Sampled,
    Scored,
    Spoken,
    Trace,
)
from cogitate.strategies.core.types import Aggregation, Completion, Floor, Outcome, Prompt, Sampling, Speech
from cogitate.strategies.voting.stop_rules import reduce_steps


@dataclass(slots=True, kw_only=True)
class Run:
    """One request's means. Everything else a strategy needs is pure."""

    engine: Engine
    prover: Prover
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    reading: Reading = field(default_factory=Reading)
    programs: Programs = field(default_factory=NoPrograms)
    """Where programs that the model wrote are run."""
    answers: int = 1
    """How many answers the client wants to see, ranked."""
    able: frozenset[Ability] = ABILITIES
    """What the engine can do."""
    budget: Budget = field(default_factory=Budget)
    pressed: Callable[[], bool] = lambda: False
    """Whether others wait for the engine."""
    trace: Trace = field(default_factory=Trace)
    incumbent: Outcome | None = None
    spared: int = 0
    """Candidates that were not waited for: the answer was decided without them."""
    _count: int = 0
    _depth: int = 0
    _classes: Classes = field(default_factory=Classes)

    async def generate(
        self,
        prompt: Prompt,
        *,
        role: Role = "candidate",
        visible: bool = False,
        max_tokens: int | None = None,
        greedy: bool = False,
        until: str | None = None,
    ) -> Completion:
        """One completion, up to the token `until`. `visible`: its text is the client's to see as it is decoded."""
        index = self._take(1)
        sampling = replace(self._for(role, max_tokens, greedy), continued=role in CANDIDATES, until=until)
        return await self._decode(index, prompt, self._seeded(sampling, index), role, visible=visible)

    async def each(
        self,
        prompts: Sequence[Prompt],
        *,
        role: Role = "candidate",
        max_tokens: int | None = None,
        greedy: bool = False,
    ) -> list[Completion | None]:
        """One completion for each prompt, in order; None where one was lost. Raises the first loss if all were."""
        return await self._all(prompts, [self._for(role, max_tokens, greedy)] * len(prompts), role)

    async def steps(
        self, prompts: Sequence[Prompt], stop: str | None, limits: Sequence[int | None], *, greedy: bool = False
    ) -> list[Completion | None]:
        """One step for each prompt, up to and with `stop`, at most `limits` tokens each; None where one was lost."""
        stops = () if stop is None else (stop,)
        sampling = replace(self._for("step", None, greedy), stop=stops, continued=True)
        samplings = [replace(sampling, max_tokens=limit) for limit in limits]
        return await self._all(prompts, samplings, "step")

    @asynccontextmanager
    async def race(
        self,
        prompt: Prompt,
        n: int,
        *,
        concurrency: int | Width | None = None,
        surplus: bool = False,
        floor: Floor | None = None,
    ) -> AsyncIterator[AsyncIterator[Completion]]:
        """n samples as they finish, at most `concurrency` in flight. Leaving the block aborts those still decoding.

        The next one begins, and a Width is asked anew, when all that came are taken: a vote that is decided starts none
        in vain. `surplus`: the block may be left early. `floor`: a sample that falls below it is ended there, unsure.
        With a seed they come in submission order, so that what a stop rule sees repeats.
        """
        first, lanes = self._take(n), Lanes(concurrency or n, self.pressed)
        at_once = not surplus and lanes.open >= n
        sampling = replace(self.sampling, partial=surplus, floor=floor, together=at_once)
        finished: asyncio.Queue[tuple[int, Completion | Exception]] = asyncio.Queue()

        async def one(index: int) -> None:
            await lanes.enter()
            seeded = self._seeded(sampling, index)
            result = await self._attempt(index, prompt, seeded, "candidate", among=first + n - index)
            finished.put_nowait((index, result))

        async with group() as tasks_of:
            tasks = [tasks_of.create_task(one(first + at)) for at in range(n)]
            in_order = self.sampling.seed is not None
            yield arrivals(finished, range(first, first + n), in_order=in_order, taken=lanes.free)
            self.spared += sum(task.cancel() for task in tasks)

    async def read(self, completion: Completion) -> Answer | None:
        """The answer a candidate gives, None if it abstains.

        Answers that are mathematically the same come back under one key, that of the first one read.
        """
        answer = await self._known(await apart(lambda: self.reading.answer(completion), len(completion.text)))
        self.trace.emit(Cast(completion, answer))
        return answer

    async def execute(self, completion: Completion, source: str | None) -> Answer | None:
        """The answer that a candidate's program computes, in the sandbox; None if it has none, or it fails."""
        answer = None
        if source is not None:
            ran = await self.programs.run(telling(source))
            self.trace.emit(Executed(completion, ran.reason, ran.seconds))
            value = value_of(ran.stdout) if ran.ok else None
            answer = await self._known(given(value, self.reading.format, completion.prompt.question) if value else None)
        self.trace.emit(Cast(completion, answer))
        return answer

    async def score(
        self, verifier: str, candidates: Sequence[Completion], how: Aggregation | None = None
    ) -> list[float | None]:
        """One score in [0, 1] per candidate, in order, None where its verdict was lost.

        It is the verifier's step scores, aggregated as `how` says; None: as suits it.
        """
        if not candidates:
            return []
        try:
            verdicts = await self.verifiers[verifier].judge(candidates[0].prompt, candidates, self.ask)
        except SampleFailed:
            return [None] * len(candidates)
        scores = [reduce_steps(verdict.steps, how or self.verifiers[verifier].aggregation) for verdict in verdicts]
        for candidate, verdict, score in zip(candidates, verdicts, scores, strict=True):
            self.trace.emit(Scored(candidate, verdict.steps, verdict.tokens, score))
        return scores

    async def ask(self, prompts: Sequence[Prompt], labels: tuple[str, ...]) -> Sequence[Completion | None]:
        """One greedy token after each prompt, in order, with the log-probabilities of exactly these labels."""
        one = Sampling(max_tokens=1, temperature=0.0, labels=labels, auxiliary=True)
        return await self._all(prompts, [one] * len(prompts), "verifier")

    async def _known(self, answer: Answer | None) -> Answer | None:
        if answer is None or answer.rule in ("json", "tool"):
            return answer
        return replace(answer, key=await self._classes.key(answer.key, self.prover))

    def say(self, text: str, *, reasoning: bool = False) -> None:
        """Words of ours in the visible text, or in the reasoning that the engine keeps apart."""
        self.trace.emit(Spoken(Speech(text, reasoning)))

    def propose(self, outcome: Outcome) -> None:
        """The answer, should the budget end now."""
        self.incumbent = outcome
        self.trace.emit(Proposed(outcome))

    async def _all(
        self, prompts: Sequence[Prompt], samplings: Sequence[Sampling], role: Role
    ) -> list[Completion | None]:
        """A completion for each prompt, in order, None where it was lost. Raises the first loss if all were."""
        first = self._take(len(prompts))
        jobs = [
            self._attempt(first + at, prompt, self._seeded(sampling, first + at), role, among=len(prompts) - at)
            for at, (prompt, sampling) in enumerate(zip(prompts, samplings, strict=True))
        ]
        results = await beside(jobs)
        losses = [result for result in results if isinstance(result, Exception)]
        if len(losses) == len(results):
            raise losses[0]
        return [result if isinstance(result, Completion) else None for result in results]

    async def _attempt(
        self, index: int, prompt: Prompt, sampling: Sampling, role: Role, *, among: int
    ) -> Completion | Exception:
        """A decode whose loss its siblings survive; `among` how many still to start the budget is shared."""
        try:
            return await self._decode(index, prompt, sampling, role, among=among)
        except BudgetExhausted as loss:
            self.budget.short = True
            return loss
        except SampleFailed as loss:
            return loss

    async def _decode(
        self, index: int, prompt: Prompt, sampling: Sampling, role: Role, *, among: int = 1, visible: bool = False
    ) -> Completion:
        """The one way to the engine: every token is reserved before and recorded after."""
        async with self.budget.reserve(sampling.max_tokens, among) as grant:
            before = self._depth

            def aborted(made: Completion) -> None:
                grant.used = made.completion_tokens if made.counted else grant.tokens or 0
                self.trace.emit(Aborted(role, replace(made, index=index), self._deeper(before, made)))

            try:
                made = await self.engine.generate(
                    prompt,
                    granted(sampling, grant.tokens, partial=sampling.partial or self.budget.may_end),
                    on_text=(lambda speech: self.trace.emit(Spoken(speech))) if visible else None,
                    on_abort=aborted,
                )
            except SampleFailed as failure:
                self.trace.emit(Failed(index, role, str(failure)))
                raise
            made = replace(made, index=index)
            grant.used = made.completion_tokens
            event = Aborted if made.finish == "unsure" else Sampled
            self.trace.emit(event(role, made, self._deeper(before, made)))
        if grant.clipped and made.finish == "length":
            self.budget.short = True
        return made

    def _deeper(self, before: int, made: Completion) -> int:
        """How deep the search is where this decode ends, which began at the depth `before`."""
        self._depth = max(self._depth, before + made.completion_tokens)
        return before + made.completion_tokens

    def _for(self, role: Role, max_tokens: int | None, greedy: bool) -> Sampling:
        """How the client's answer is sampled; a question of ours is free of the client's grammar, stops and biases."""
        return replace(
            self.sampling,
            max_tokens=least(self.sampling.max_tokens, max_tokens),
            temperature=0.0 if greedy else self.sampling.temperature,
            auxiliary=role not in CANDIDATES,
        )

    def _seeded(self, sampling: Sampling, index: int) -> Sampling:
        return sampling if sampling.seed is None else replace(sampling, seed=derived_seed(sampling.seed, index))

    def _take(self, n: int) -> int:
        """The first of n fresh decode numbers: seeds derive from them, so they are given out in program order."""
        self._count += n
        return self._count - n
