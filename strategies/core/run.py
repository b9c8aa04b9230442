"""The interface between a strategy and the search that it runs in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from cogitate.strategies.answers import Answer, answer_from_value
from cogitate.strategies.core.aggregation import reduce_steps
from cogitate.strategies.core.budget import smallest_limit
from cogitate.strategies.core.concurrency import Width, run_all
from cogitate.strategies.core.early_steps import EarlySteps
from cogitate.strategies.core.events import CANDIDATE_ROLES, Executed, Proposed, Role, Scored, TextEmitted
from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.program_source import extract_program
from cogitate.strategies.core.program_value import append_value_printer, parse_value
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.quoting import final_text
from cogitate.strategies.core.race import Race
from cogitate.strategies.core.session import Session
from cogitate.strategies.core.types import Aggregation, Completion, ConfidenceThreshold, Outcome, Sampling, TextDelta

Limits = int | None | Sequence[int | None]
"""One limit for all prompts, or one for each; None: no limit."""
OnEnd = Callable[[int, Completion | None], Awaitable[None]]
"""Called with a decode's position and its completion; None where it was lost."""


class Run:
    """The operations of a strategy: decode, read and score answers, propose an outcome. The rest of its code is pure.

    `request` has the data of the request that it can read, `budget` the tokens and the time that it can spend, `early`
    starts steps before it is known whether they are needed.
    """

    __slots__ = ("_session", "budget", "early", "request")

    def __init__(self, session: Session) -> None:
        self._session = session
        self.request = session.request
        self.budget = session.budget
        self.early = EarlySteps(session, partial(derive_sampling, session.request.sampling, "step", greedy=False))

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
        """Decode one completion, up to the tag `until`. `visible`: its text is streamed to the client.

        Raises SampleFailed where the decode fails, BudgetExhausted where no tokens are left.
        """
        index = self._session.take_indices(1)
        sampling = derive_sampling(self.request.sampling, role, max_tokens, greedy=greedy)
        sampling = replace(sampling, needs_token_ids=role in CANDIDATE_ROLES, until=until)
        return await self._session.decode(index, prompt, sampling, role, visible=visible)

    async def generate_each(
        self,
        prompts: Sequence[Prompt],
        *,
        role: Role = "candidate",
        max_tokens: Limits = None,
        greedy: bool = False,
        stop: str | None = None,
        labels: tuple[str, ...] = (),
        branches: Sequence[str] | None = None,
        on_end: OnEnd | None = None,
    ) -> list[Completion | None]:
        """Decode one completion for each prompt, in order, up to and with `stop`; None where one was lost.

        With `labels` each is one greedy token, with the log-probabilities of exactly these labels. `branches`: the
        name of each, from which its seed is derived; one that was started early is only awaited. `on_end` is called
        with the position and the completion of each as it ends. Raises the first failure (SampleFailed or
        BudgetExhausted) where all were lost.
        """
        if labels:
            samplings = [Sampling(max_tokens=1, temperature=0.0, labels=labels, auxiliary=True)] * len(prompts)
        else:
            limits = max_tokens if isinstance(max_tokens, Sequence) else [max_tokens] * len(prompts)
            derive = partial(derive_sampling, self.request.sampling, role, greedy=greedy, stop=stop)
            samplings = [derive(limit) for limit in limits]
        first = self._session.take_indices(len(prompts))

        async def decode(at: int) -> Completion | Exception:
            branch = branches[at] if branches else None
            made = await self._session.attempt(
                first + at, prompts[at], samplings[at], role, siblings=len(prompts) - at, branch=branch
            )
            if on_end:
                await on_end(at, made if isinstance(made, Completion) else None)
            return made

        return drop_failures(await run_all([decode(at) for at in range(len(prompts))]))

    @asynccontextmanager
    async def race(
        self,
        prompt: Prompt | Sequence[Prompt],
        n: int,
        *,
        concurrency: int | Width | None = None,
        surplus: bool = False,
        threshold: ConfidenceThreshold | None = None,
    ) -> AsyncIterator[AsyncIterator[Completion]]:
        """Decode n samples, and iterate over them as they finish. Leaving the block aborts those still decoding.

        Samples of the prompt that an earlier search drew come first, and only those that are missing are decoded.
        `prompt`: that of all samples, or one for each, in order: they may differ in the model that answers.

        At most `concurrency` samples are in flight. The next one starts, and a Width is computed again, only when all
        finished samples are consumed, so that none starts after the vote is decided. `surplus`: the block may be left
        early. `threshold`: a sample whose confidence falls below it ends at that point, as `unsure`. With a seed,
        samples are yielded in the order of their seeds, so that a stop rule reads the same sequence each time. Raises
        the first failure where all samples failed.
        """
        prompts = [prompt] * n if isinstance(prompt, Prompt) else prompt
        race = Race(session=self._session, concurrency=concurrency, surplus=surplus, threshold=threshold)
        async with race.run(prompts) as samples:
            yield samples

    async def read(
        self, candidate: Completion, *, as_program: bool = False, weight: float | None = None
    ) -> Answer | None:
        """Read the answer that a candidate gives, and record it as a vote; None if it abstains.

        `weight`: of the vote; None where it has none, or none yet. `as_program`: the answer is what the candidate's
        last program prints in the sandbox; it abstains where there is no program, or it fails. Answers that are equal
        are in one class, by which their votes are counted. Raises ProgramsOff where a program may not run.
        """
        session, reader = self._session, self.request.reader

        def read() -> Answer | None:
            answer = reader.read(candidate)
            _ = answer or candidate.has_reply  # abstentions are ranked by it, and it takes as long to find out
            return answer

        if as_program:
            answer = await self._run_program(candidate)
        else:
            answer = await offload(read, len(candidate.text))
        answer = await session.merge_equal(answer)
        session.record_vote(candidate, answer, weight)
        return answer

    async def score(
        self, verifier: str, candidates: Sequence[Completion], how: Aggregation | None = None
    ) -> list[float | None]:
        """Score candidates in [0, 1] by a verifier's name, in order; None where a verdict was lost.

        `how` aggregates the verifier's step scores; None: the verifier's own aggregation.
        """
        if not candidates:
            return []
        session, judge = self._session, self._session.verifiers[verifier]
        try:
            verdicts = await judge.judge(candidates[0].prompt, candidates, self._ask)
        except SampleFailed:
            return [None] * len(candidates)
        scores = [reduce_steps(verdict.steps, how or judge.aggregation) for verdict in verdicts]
        for candidate, verdict, score in zip(candidates, verdicts, scores, strict=True):
            session.trace.emit(Scored(candidate, verdict.steps, verdict.tokens, score, verdict.warnings, verifier))
        return scores

    def emit_text(self, text: str, *, reasoning: bool = False) -> None:
        """Add text of the strategy's own to the visible answer, or to the reasoning that the engine separates."""
        self._session.trace.emit(TextEmitted(TextDelta(text, reasoning)))

    def propose(self, outcome: Outcome) -> None:
        """Set the outcome that is returned if the budget ends now."""
        self._session.incumbent = outcome
        self._session.trace.emit(Proposed(outcome))

    async def _run_program(self, candidate: Completion) -> Answer | None:
        source = extract_program(final_text(candidate))
        if source is None:
            return None
        result = await self._session.programs.run(append_value_printer(source))
        self._session.trace.emit(Executed(candidate, result.reason, result.seconds))
        value = parse_value(result.stdout) if result.ok else None
        return answer_from_value(value, self.request.reader.format, candidate.prompt.question) if value else None

    async def _ask(
        self,
        prompts: Sequence[Prompt],
        labels: tuple[str, ...] = (),
        *,
        max_tokens: int = 1,
        greedy: bool = False,
    ) -> Sequence[Completion | None]:
        """Ask for verdicts of one token, or for texts: the `Ask` port of verifiers."""
        asked = [prompt.to_model(self.request.verifier_model) for prompt in prompts]
        return await self.generate_each(asked, role="verifier", labels=labels, max_tokens=max_tokens, greedy=greedy)


def drop_failures(results: Sequence[Completion | Exception]) -> list[Completion | None]:
    """Return the results with None for each failure. Raises the first failure where there is nothing else."""
    failures = [result for result in results if isinstance(result, Exception)]
    if failures and len(failures) == len(results):
        raise failures[0]
    return [result if isinstance(result, Completion) else None for result in results]


def derive_sampling(
    client: Sampling, role: Role, max_tokens: int | None, *, greedy: bool, stop: str | None = None
) -> Sampling:
    """Return the sampling of a decode: the client's; for an auxiliary question, without the client's fields."""
    return replace(
        client,
        max_tokens=smallest_limit(client.max_tokens, max_tokens),
        temperature=0.0 if greedy else client.temperature,
        stop=client.stop if stop is None else (stop,),
        auxiliary=role not in CANDIDATE_ROLES,
        needs_token_ids=role == "step",
    )
