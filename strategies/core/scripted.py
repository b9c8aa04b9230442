"""A scripted engine, verifier and prover, to test strategies without a model.

They are real implementations of the ports, not mocks: the engine decodes "tokens" (words with the blanks before them)
one at a time, so that aborts, limits, stop strings and continuation by token ids behave as on a real engine.

    engine = ScriptedEngine(["so it is \\\\boxed{42}", "perhaps \\\\boxed{41}"])
    session = Session(engine=engine, prover=ScriptedProver())
    strategy = SelfConsistency(n=8)
    finished = await execute(strategy, strategy.instruct(prompt), session)
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cogitate.strategies.core.confidence_monitor import ConfidenceMonitor
from cogitate.strategies.core.label_probs import MAX_LABELS
from cogitate.strategies.core.logprobs import Logprobs, TokenLogprob
from cogitate.strategies.core.ports import Ability, Ask, OnAbort, OnText, Verdict
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted_vocabulary import CLOSE_TAG, END_OF_TURN, OPEN_TAG, ScriptedVocabulary
from cogitate.strategies.core.types import Aggregation, Completion, Finish, Sampling, TextDelta, ToolCall

Reply = str | ToolCall | Exception
"""A text, a tool call, or an exception to raise."""
Script = Callable[[Prompt, Sampling], Reply]


@dataclass(slots=True)
class ScriptedEngine:
    """An engine that decodes the given replies in turn, or what a function of prompt and sampling returns."""

    replies: Sequence[Reply] | Script
    pace: float | Callable[[int], float] = 0.0
    """Seconds per token; or a function of the call's number."""
    labels: Callable[[Prompt], Mapping[str, float]] = lambda prompt: {"Yes": math.log(0.5), "No": math.log(0.5)}
    """The log-probabilities of labels, by the prompt."""
    logprob: Callable[[int], float] = lambda call: -0.5
    """The log-probability of each token, by the call's number."""
    logprob_at: Callable[[int, int], float] | None = None
    """The same by the call's number and the token's position, in place of `logprob`."""
    calls: list[tuple[Prompt, Sampling]] = field(default_factory=list)
    running: int = 0
    peak_running: int = 0
    cancelled: int = 0
    finished: int = 0
    decoded: int = 0
    """Tokens decoded, including those of aborted decodes."""
    vocabulary: ScriptedVocabulary = field(default_factory=ScriptedVocabulary)

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        if len(sampling.labels) > MAX_LABELS:
            raise ValueError(f"an engine reports at most {MAX_LABELS} labels")
        call = len(self.calls)
        self.calls.append((prompt, sampling))
        reply = self.next_reply(call, prompt, sampling)
        if isinstance(reply, Exception):
            raise reply
        text = f"{reply.name} ( {reply.arguments} )" if isinstance(reply, ToolCall) else reply
        decode = _Decode(self, call, prompt, sampling, reply, self.vocabulary.encode(text))
        self.running += 1
        self.peak_running = max(self.peak_running, self.running)
        try:
            pace = self.pace(call) if callable(self.pace) else self.pace
            if not (pace or on_text or sampling.stop or sampling.until or sampling.confidence_threshold):
                await decode.run_at_once()
            else:
                async for text in decode.run(pace):
                    if on_text:
                        on_text(TextDelta(text))
        except asyncio.CancelledError:
            self.cancelled += 1
            if on_abort:
                on_abort(decode.to_completion("abort"))
            raise
        finally:
            self.running -= 1
        self.finished += 1
        return decode.to_completion(decode.finish)

    def next_reply(self, call: int, prompt: Prompt, sampling: Sampling) -> Reply:
        """Return the reply of a call; subclasses may choose another."""
        return self.replies(prompt, sampling) if callable(self.replies) else self.replies[call % len(self.replies)]

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Tokenise the conversation, then the assistant's turn; given token ids are used as they are."""
        ids = [i for m in prompt.messages for i in self.vocabulary.encode(f"<{m.role}> {m.text} ")]
        ids += self.vocabulary.encode(prompt.raw) if isinstance(prompt.raw, str) else prompt.raw or ()
        for segment in prompt.segments:
            ids += segment.ids if segment.ids is not None else self.vocabulary.encode(segment.text)
        return ids


@dataclass(slots=True)
class _Decode:
    """One sequence: the reply's words, cut by limits, stop strings and tags."""

    engine: ScriptedEngine
    call: int
    prompt: Prompt
    sampling: Sampling
    reply: str | ToolCall
    words: list[int]
    made: list[int] = field(default_factory=list)
    finish: Finish = "stop"
    stopped_by: str | None = None

    async def run_at_once(self) -> None:
        """Decode all words in one step, where nothing needs to see them one by one."""
        await asyncio.sleep(0)
        words = [*self.words, END_OF_TURN]
        self.made = words[: self.sampling.max_tokens]
        self.engine.decoded += len(self.made)
        self.finish = "length" if len(self.made) < len(words) else "stop"

    async def run(self, pace: float) -> AsyncIterator[str]:
        """Decode and yield word by word."""
        threshold = self.sampling.confidence_threshold
        monitor = ConfidenceMonitor(threshold) if threshold else None
        await asyncio.sleep(pace)
        for word in [*self.words, END_OF_TURN]:
            if self.sampling.max_tokens is not None and len(self.made) >= self.sampling.max_tokens:
                self.finish = "length"
                return
            self.made.append(word)
            self.engine.decoded += 1
            if monitor and monitor.update([self._token(word, len(self.made) - 1, self.sampling.logprobs or 0)]):
                self.finish = "unsure"
                return
            if self.sampling.until and self.engine.vocabulary.decode([word]).strip() == self.sampling.until.strip():
                self.stopped_by = self.sampling.until
                return
            yield self.engine.vocabulary.decode([word])
            text = self.engine.vocabulary.decode(self.made) if self.sampling.stop else ""
            self.stopped_by = next((stop for stop in self.sampling.stop if text.endswith(stop)), None)
            if self.stopped_by:
                return
            if pace:
                await asyncio.sleep(pace)

    def to_completion(self, finish: Finish) -> Completion:
        at_tag = self.sampling.until is not None and self.stopped_by == self.sampling.until
        tokens = [word for word in self.made[: -1 if at_tag else None] if word != END_OF_TURN]
        engine, top = self.engine, self.sampling.logprobs
        prompt_ids = engine.prompt_ids(self.prompt)
        return Completion(
            prompt=self.prompt,
            text=engine.vocabulary.decode(tokens),
            finish=finish,
            stopped_by=self.stopped_by,
            token_ids=tuple(tokens),
            prompt_tokens=len(prompt_ids),
            completion_tokens=len(self.made),
            thinking=self.sampling.until is not None and self._is_thinking([*prompt_ids, *tokens]),
            logprobs=() if top is None else self._logprobs(tokens, top),
            labels=engine.labels(self.prompt) if self.sampling.labels else {},
            tool_calls=(self.reply,) if isinstance(self.reply, ToolCall) and finish == "stop" else (),
        )

    def _is_thinking(self, tokens: list[int]) -> bool:
        words = map(self.engine.vocabulary.words.__getitem__, reversed(tokens))
        return next((word == OPEN_TAG for word in words if word in (OPEN_TAG, CLOSE_TAG)), False)

    def _logprobs(self, tokens: list[int], top: int) -> Logprobs:
        """Build all columns at once where all tokens are equally likely, since long texts have many tokens."""
        if self.engine.logprob_at:
            return Logprobs(self._token(word, at, top) for at, word in enumerate(tokens))
        best = self.engine.logprob(self.call)
        rivals = _alternatives(best, top)
        ids, texts = [rival.id for rival in rivals], [rival.text for rival in rivals]
        logprobs, words = Logprobs(), self.engine.vocabulary.words
        logprobs.extend(
            range(0, len(tokens) * (top + 1), top + 1),
            [each for word in tokens for each in (word, *ids)],
            [best, *(rival.logprob for rival in rivals)] * len(tokens),
            [each for word in tokens for each in (words[word], *texts)],
        )
        return logprobs

    def _token(self, word: int, at: int, top: int) -> TokenLogprob:
        by_position = self.engine.logprob_at
        logprob = by_position(self.call, at) if by_position else self.engine.logprob(self.call)
        return TokenLogprob(word, self.engine.vocabulary.decode([word]), logprob, _alternatives(logprob, top))


@lru_cache(maxsize=16)
def _alternatives(best: float, n: int) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(i, f"alternative {i}", best - i) for i in range(n))


@dataclass(frozen=True, slots=True)
class ScriptedVerifier:
    """Scores by a function of the text: one number, or one per step. An exception is raised: all verdicts are lost."""

    score: Callable[[str], float | Sequence[float] | Exception]
    logprobs: int | None = None
    tokens: int = 0
    needs: frozenset[Ability] = frozenset()
    compares: bool = False
    is_pure: bool = False
    aggregation: Aggregation = "last"

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        verdicts = list[Verdict]()
        for score in [self.score(solution.text) for solution in solutions]:
            if isinstance(score, Exception):
                raise score
            verdicts.append(Verdict((score,) if isinstance(score, int | float) else tuple(score), self.tokens))
        return verdicts


@dataclass(slots=True)
class ScriptedProver:
    """Considers exactly the given pairs equal, and records the pairs it was asked for."""

    equals: Sequence[tuple[str, str]] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)
    closed: bool = False

    async def equal(self, a: str, b: str) -> bool:
        self.asked.append((a, b))
        return (a, b) in self.equals or (b, a) in self.equals

    async def close(self) -> None:
        self.closed = True
