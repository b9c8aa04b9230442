"""An engine that reads from a script: what to say, after how long. A real implementation of the ports; no patching.

It decodes "tokens" (words with the blanks before them), one at a time, so that aborts, limits, stop strings and
continuation by token ids behave as on a real engine; the contract suite holds it to that.
"""

import asyncio
import io
import json
import math
import re
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import lru_cache

from cogitate.server.engine import Body, Load, ModelCard
from cogitate.server.errors import ContextTooLong
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.logprobs import Logprobs, TokenLogprob
from cogitate.strategies.core.ports import Ability, Ask, OnAbort, OnText, Verdict
from cogitate.strategies.core.programs import ProgramResult, UnitTestResult
from cogitate.strategies.core.types import Aggregation, Completion, Message, Prompt, Sampling, TextDelta, ToolCall
from cogitate.strategies.thinking.tags import CLOSE_TAG, OPEN_TAG, is_thinking
from cogitate.strategies.voting.confidence import ConfidenceMonitor
from tests.fakes.responses_api import response, response_lines

Reply = str | ToolCall | Exception
"""What is said, a tool call that is made, or what goes wrong."""
Script = Callable[[Prompt, Sampling], Reply]
END_OF_TURN = 0
WORD = re.compile(r"\n\n|</?think>|\s*(?:(?!</?think>)[^\s])+|\s")
REMEMBERED = 16
"""Texts."""


@dataclass(slots=True)
class Vocabulary:
    """Words get numbers as they are first met. A text that is said again and again is taken apart once."""

    ids: dict[str, int] = field(default_factory=lambda: {"": END_OF_TURN})
    words: list[str] = field(default_factory=lambda: [""])
    said: OrderedDict[str, list[int]] = field(default_factory=OrderedDict)

    def encode(self, text: str) -> list[int]:
        if text in self.said:
            self.said.move_to_end(text)
        else:
            self.said[text] = [self._id(word) for word in WORD.findall(text)]
            if len(self.said) > REMEMBERED:
                self.said.popitem(last=False)
        return list(self.said[text])

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.words[number] for number in ids)

    def _id(self, word: str) -> int:
        if word not in self.ids:
            self.ids[word] = len(self.words)
            self.words.append(word)
        return self.ids[word]


@dataclass(slots=True)
class ScriptedEngine:
    """Says its replies in turn, `pace` seconds a token (or what `pace` says for a call)."""

    replies: Sequence[Reply] | Script
    pace: float | Callable[[int], float] = 0.0
    labels: Callable[[Prompt], Mapping[str, float]] = lambda prompt: {"Yes": math.log(0.5), "No": math.log(0.5)}
    logprob: Callable[[int], float] = lambda call: -0.5
    logprob_at: Callable[[int, int], float] | None = None
    """By the call and the place of the token, in place of `logprob`."""
    calls: list[tuple[Prompt, Sampling]] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    cancelled: int = 0
    finished: int = 0
    decoded: int = 0
    """Tokens made, whatever became of them: the engine's own counter."""
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    salts: Counter[str] = field(default_factory=Counter)
    """Decodes by the salt they came with,"""
    salt: str = ""
    """and that of the one that begins now."""

    def salted(self, salt: str) -> None:
        self.salt = salt
        self.salts[salt] += 1

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        call = len(self.calls)
        self.calls.append((prompt, sampling))
        reply = self._reply(call, prompt, sampling)
        text = f"{reply.name} ( {reply.arguments} )" if isinstance(reply, ToolCall) else reply
        decode = Decode(self, call, prompt, sampling, reply, self.vocabulary.encode(text))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            pace = self.pace(call) if callable(self.pace) else self.pace
            if not (pace or on_text or sampling.stop or sampling.until or sampling.confidence_threshold):
                await decode.whole()
            else:
                async for text in decode.steps(pace):
                    if on_text:
                        on_text(TextDelta(text))
        except asyncio.CancelledError:
            self.cancelled += 1
            if on_abort:
                on_abort(decode.completion("abort"))
            raise
        finally:
            self.running -= 1
        self.finished += 1
        return decode.completion(decode.finish or "stop")

    def _reply(self, call: int, prompt: Prompt, sampling: Sampling) -> str | ToolCall:
        reply = self.replies(prompt, sampling) if callable(self.replies) else self.replies[call % len(self.replies)]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """The conversation by its words, then the assistant's own: given tokens are kept as they are."""
        ids = [i for m in prompt.messages for i in self.vocabulary.encode(f"<{m.role}> {m.text} ")]
        ids += self.vocabulary.encode(prompt.raw) if isinstance(prompt.raw, str) else prompt.raw or ()
        for piece in prompt.segments:
            ids += piece.ids if piece.ids is not None else self.vocabulary.encode(piece.text)
        return ids


@dataclass(slots=True)
class Decode:
    """One sequence: the script's words, cut by limits and stop strings."""

    engine: ScriptedEngine
    call: int
    prompt: Prompt
    sampling: Sampling
    reply: str | ToolCall
    words: list[int]
    made: list[int] = field(default_factory=list)
    finish: str | None = None
    stopped_by: str | None = None

    async def whole(self) -> None:
        """All at once, where nobody looks on: a long text must cost no more than its words."""
        await asyncio.sleep(0)
        words = [*self.words, END_OF_TURN]
        self.made = words[: self.sampling.max_tokens]
        self.engine.decoded += len(self.made)
        self.finish = "length" if len(self.made) < len(words) else None

    async def steps(self, pace: float) -> AsyncIterator[str]:
        watch = ConfidenceMonitor(self.sampling.confidence_threshold) if self.sampling.confidence_threshold else None
        await asyncio.sleep(pace)
        for word in [*self.words, END_OF_TURN]:
            if self.sampling.max_tokens is not None and len(self.made) >= self.sampling.max_tokens:
                self.finish = "length"
                return
            self.made.append(word)
            self.engine.decoded += 1
            if watch and watch.update([self._token(word, len(self.made) - 1, self.sampling.logprobs or 0)]):
                self.finish = "unsure"
                return
            if self.sampling.until and self._word(word) == self.sampling.until.strip():
                self.stopped_by = self.sampling.until
                return
            yield self.engine.vocabulary.decode([word])
            text = self.engine.vocabulary.decode(self.made) if self.sampling.stop else ""
            self.stopped_by = next((stop for stop in self.sampling.stop if text.endswith(stop)), None)
            if self.stopped_by:
                return
            if pace:
                await asyncio.sleep(pace)

    def completion(self, finish: str) -> Completion:
        at_tag = self.sampling.until is not None and self.stopped_by == self.sampling.until
        spoken = [word for word in self.made[: -1 if at_tag else None] if word != END_OF_TURN]
        engine, top = self.engine, self.sampling.logprobs
        return Completion(
            prompt=self.prompt,
            text=engine.vocabulary.decode(spoken),
            finish=finish,  # type: ignore[arg-type]
            stopped_by=self.stopped_by,
            token_ids=tuple(spoken),
            prompt_tokens=len(engine.prompt_ids(self.prompt)),
            completion_tokens=len(self.made),
            thinking=self.sampling.until is not None and self._thinking(spoken),
            logprobs=() if top is None else self._logprobs(spoken, top),
            labels=engine.labels(self.prompt) if self.sampling.labels else {},
            tool_calls=(self.reply,) if isinstance(self.reply, ToolCall) and finish == "stop" else (),
        )

    def _word(self, word: int) -> str:
        return self.engine.vocabulary.decode([word]).strip()

    def _thinking(self, spoken: list[int]) -> bool:
        ids = self.engine.vocabulary.ids
        return is_thinking([*self.engine.prompt_ids(self.prompt), *spoken], [ids.get(OPEN_TAG, -1)], [ids.get(CLOSE_TAG, -1)])

    def _logprobs(self, spoken: list[int], top: int) -> Logprobs:
        """All at once where all are as likely: an engine makes them token by token, in time."""
        if self.engine.logprob_at:
            return Logprobs(self._token(word, at, top) for at, word in enumerate(spoken))
        best = self.engine.logprob(self.call)
        others = _alternatives(best, top)
        ids, texts = [other.id for other in others], [other.text for other in others]
        tokens, words = Logprobs(), self.engine.vocabulary.words
        tokens.extend(
            range(0, len(spoken) * (top + 1), top + 1),
            [each for word in spoken for each in (word, *ids)],
            [best, *(other.logprob for other in others)] * len(spoken),
            [each for word in spoken for each in (words[word], *texts)],
        )
        return tokens

    def _token(self, word: int, at: int, top: int) -> TokenLogprob:
        by_place = self.engine.logprob_at
        logprob = by_place(self.call, at) if by_place else self.engine.logprob(self.call)
        return TokenLogprob(word, self.engine.vocabulary.decode([word]), logprob, _alternatives(logprob, top))


@lru_cache(maxsize=16)
def _alternatives(best: float, n: int) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(i, f"alternative {i}", best - i) for i in range(n))


@dataclass(frozen=True, slots=True)
class ScriptedVerifier:
    """Scores by a function of the text: a number, or one for each step; a failure is raised: all verdicts are lost."""

    opinion: Callable[[str], float | Sequence[float] | Exception]
    logprobs: int | None = None
    tokens: int = 0
    needs: frozenset[Ability] = frozenset()
    compares: bool = False
    aggregation: Aggregation = "last"

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        opinions = [self.opinion(solution.text) for solution in solutions]
        for opinion in opinions:
            if isinstance(opinion, Exception):
                raise opinion
        return [Verdict((o,) if isinstance(o, int | float) else tuple(o), self.tokens) for o in opinions]


@dataclass(slots=True)
class HerePrograms:
    """Runs a test's own programs in this process, for those who mean no harm; what tests say of them is scripted."""

    ran: list[str] = field(default_factory=list)
    pace: float = 0.0

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        self.ran.append(source)
        await asyncio.sleep(self.pace)
        said = io.StringIO()
        try:
            with redirect_stdout(said):
                exec(source, {})
        except Exception as error:  # noqa: BLE001 whatever the program does
            return ProgramResult(said.getvalue(), "error", 0.0, str(error))
        return ProgramResult(said.getvalue(), "ok", 0.0)

    async def test(self, source: str, tests: Sequence[str]) -> UnitTestResult:
        passed = []
        for test in tests:
            passed.append((await self.run(f"{source}\n{test}")).ok)
        return UnitTestResult(tuple(passed), "ok", 0.0)


@dataclass(slots=True)
class ScriptedProver:
    """Holds exactly the given pairs equal, and remembers what it was asked."""

    equals: Sequence[tuple[str, str]] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)
    closed: bool = False

    async def equal(self, a: str, b: str) -> bool:
        self.asked.append((a, b))
        return (a, b) in self.equals or (b, a) in self.equals

    async def close(self) -> None:
        self.closed = True


def measured(engine: ScriptedEngine, prompt: Prompt, longest: int) -> int:
    """Its tokens. Raises ContextTooLong."""
    if (tokens := len(engine.prompt_ids(prompt))) >= longest:
        raise ContextTooLong(f"The maximum context length is {longest} tokens.", param="messages")
    return tokens


@dataclass(slots=True)
class ScriptedConversation:
    engine: ScriptedEngine
    prompt_tokens: int
    model: str
    raw: bool = False
    salt: str = ""
    longest: int = 4096

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        self.engine.salted(self.salt)
        measured(self.engine, prompt, self.longest)
        return await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=on_abort)

    async def build_response(self, completions: Sequence[Completion]) -> Body:
        write = text_completion if self.raw else chat_completion
        bodies = [write(self.model, completion) for completion in completions]
        choices = [choice | {"index": at} for at, body in enumerate(bodies) for choice in body["choices"]]
        return bodies[0] | {"choices": choices}


@dataclass(slots=True)
class ScriptedBackend:
    """A backend over a ScriptedEngine. `loading` holds back open(); `death` makes it die."""

    engine: ScriptedEngine
    verifiers: Mapping[str, ScriptedVerifier] = field(default_factory=dict)
    loading: asyncio.Event | None = None
    death: asyncio.Event | None = None
    max_model_len: int = 4096
    closed: bool = False

    @property
    def card(self) -> ModelCard:
        return ModelCard("scripted", "1", self.max_model_len, 1_700_000_000)

    async def open(self) -> None:
        if self.loading:
            await self.loading.wait()

    async def close(self) -> None:
        self.closed = True

    async def wait_for_failure(self) -> str:
        await (self.death or asyncio.Event()).wait()
        return "the script says so"

    def load(self) -> Load:
        return Load(self.engine.running, 0)

    def progress_marker(self) -> object:
        return (len(self.engine.calls), self.engine.decoded) if self.engine.running else None

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str = "") -> ScriptedConversation:
        tokens = measured(self.engine, prompt, self.max_model_len)
        raw = isinstance(request, CompletionRequest)
        return ScriptedConversation(self.engine, tokens, request.model, raw, salt, self.max_model_len)

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str = "") -> Body | AsyncIterator[str]:
        self.engine.salted(salt)
        if isinstance(request, CompletionRequest):
            return await self._complete(request)
        if isinstance(request, ResponsesRequest):
            return await self._respond(request)
        conversation = await self.converse(request, request.prompt)
        sampling = Sampling(max_tokens=request.limit, temperature=request.temperature, seed=request.seed)
        completion = await self.engine.generate(request.prompt, sampling)
        body = await conversation.build_response([completion])
        if not request.stream:
            return body
        return _lines(body)

    async def _respond(self, request: ResponsesRequest) -> Body | AsyncIterator[str]:
        prompt = request.to_chat().prompt
        await self.converse(request.to_chat(), prompt)
        completion = await self.engine.generate(prompt, Sampling(max_tokens=request.max_output_tokens))
        body = response("scripted", completion)
        return response_lines(body) if request.stream else body

    async def _complete(self, request: CompletionRequest) -> Body:
        prompt = Prompt((Message("user", str(request.prompt)),))
        return text_completion("scripted", await self.engine.generate(prompt, Sampling(max_tokens=request.limit)))


def text_completion(model: str, completion: Completion) -> Body:
    body = chat_completion(model, completion)
    (choice,) = body["choices"]
    text = choice.pop("message")["content"]
    return body | {"id": "cmpl-scripted", "object": "text_completion", "choices": [choice | {"text": text}]}


def chat_completion(model: str, completion: Completion) -> Body:
    tokens = completion.completion_tokens
    message: Body = {"role": "assistant", "content": completion.text}
    if completion.tool_calls:
        calls = [
            {"id": f"call-{at}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for at, call in enumerate(completion.tool_calls)
        ]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    finish = "length" if completion.was_stopped else completion.finish
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": _logprobs(completion),
                "finish_reason": "tool_calls" if completion.tool_calls else finish,
            }
        ],
        "usage": {
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": completion.prompt_tokens + tokens,
        },
    }


def _logprobs(completion: Completion) -> Body | None:
    if not completion.logprobs:
        return None
    return {"content": [{"token": t.text, "logprob": t.logprob, "top_logprobs": []} for t in completion.logprobs]}


async def _lines(body: Body) -> AsyncIterator[str]:
    head = {key: body[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    (choice,) = body["choices"]
    for delta, finish in ((choice["message"], None), ({}, choice["finish_reason"])):
        chunk = head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"
