"""Requests of the field checks: one field under one strategy, and the same without either."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.prompts import FINAL_ANSWER, THEREFORE

Body = dict[str, Any]
BASE: Body = {
    "model": DEMO_MODEL_NAME,
    "messages": [{"role": "user", "content": "What is the sea?"}],
    "temperature": 0,
    "max_tokens": 10,
    "cache": "no-store",
}
SMALL: Mapping[str, object] = {"n": 2, "width": 2, "max_steps": 3, "stop_rule": "none"}
OPTIONS_WITHOUT_EFFECT: Mapping[str, Mapping[str, object]] = {
    "best_of_n": {"verifier": "confidence"},
    "self_refine": {"verifier": "confidence", "method": "verification", "rounds": 1},
    "budget_forcing": {"waits": 0, "answer_tokens": 1},
}
"""Options under which a strategy leaves the model's text unchanged. budget_forcing appends text and one token."""
OURS = (THEREFORE, f"\n\n{FINAL_ANSWER}")


class Rejected(Exception):
    """A 400 with the field that it names."""

    def __init__(self, error: Body) -> None:
        super().__init__(error["message"])
        self.param: str | None = error["param"]


def small(strategy: str) -> Body:
    """The strategy with few candidates, no instruction in the prompt, and its candidates in the answer."""
    own = {name: value for name, value in SMALL.items() if name in STRATEGIES[strategy].model_fields}
    own |= OPTIONS_WITHOUT_EFFECT.get(strategy, {})
    return {"name": strategy, "instruction": "", "return_candidates": True, **own}


@dataclass(frozen=True, slots=True)
class Answer:
    body: Body
    headers: Mapping[str, str]

    @property
    def choices(self) -> list[Body]:
        return list(self.body["choices"])

    @property
    def message(self) -> Body:
        return dict(self.choices[0]["message"])

    @property
    def text(self) -> str:
        return self.message["content"] or ""

    @property
    def model_text(self) -> str:
        """The text up to what the strategy inserts."""
        return re.split("|".join(map(re.escape, OURS)), self.text)[0]

    @property
    def calls(self) -> list[Body]:
        return self.message.get("tool_calls") or []

    @property
    def finish(self) -> str:
        return str(self.choices[0]["finish_reason"])

    @property
    def candidates(self) -> list[str]:
        """The text of each candidate; of a plain answer the answer itself."""
        if "cogitate" not in self.body:
            return [self.text]
        return [sample["text"] for sample in self.body["cogitate"]["samples"]]

    @property
    def finished_candidates(self) -> list[str]:
        """Texts of the candidates that no limit cut off."""
        samples = self.body["cogitate"]["samples"] if "cogitate" in self.body else []
        return [sample["text"] for sample in samples if sample["finish_reason"] != "length"]


@dataclass(slots=True)
class Server:
    """Sends requests. `once` sends equal requests once; `ask` sends each, as sampling without a seed needs."""

    url: str
    client: httpx.AsyncClient
    _known: dict[str, "asyncio.Task[Answer]"] = field(default_factory=dict)

    async def ask(self, body: Body) -> Answer:
        """Raises Rejected."""
        response = await self.client.post(f"{self.url}/v1/chat/completions", json=body)
        if response.status_code == 400:
            raise Rejected(response.json()["error"])
        assert response.status_code == 200, response.text
        if not body.get("stream"):
            return Answer(response.json(), response.headers)
        return Answer(assemble_stream(chunks(response.text)), response.headers)

    async def once(self, body: Body) -> Answer:
        key = json.dumps(body, sort_keys=True)
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self.ask(body))
        return await asyncio.shield(self._known[key])


@dataclass(frozen=True, slots=True)
class Trial:
    """One field's value under one strategy; `strategy` None: the engine alone."""

    server: Server
    strategy: str | None
    name: str
    value: object
    context: Mapping[str, object]
    """Other fields of the request, sent with the field and without it."""

    @property
    def own(self) -> Body:
        return {self.name: self.value}

    def body(self, **fields: object) -> Body:
        strategy = {"strategy": small(self.strategy)} if self.strategy else {}
        return {**BASE, **strategy, **self.context, **fields}

    async def with_field(self, **fields: object) -> Answer:
        """Answer to the request with the field."""
        return await self.server.once(self.body(**self.own, **fields))

    async def send_again(self, **fields: object) -> Answer:
        """Answer to a new request with the field, even where it was sent before."""
        return await self.server.ask(self.body(**self.own | fields))

    def first(self, answer: Answer) -> str:
        """The engine's answer to the question itself; a revision of self_refine answers another, longer one."""
        return answer.candidates[0] if self.strategy == "self_refine" else answer.model_text

    def candidates(self, answer: Answer) -> list[str]:
        """Texts of the candidates. Step-wise strategies report steps, so that it is the answer there."""
        single = self.stepwise or self.is_forced or self.strategy == "self_refine"
        return [self.first(answer)] if single else answer.candidates

    def count_decodes(self, answer: Answer) -> int:
        """Number of decodes: candidates, or steps of a step-wise search."""
        return len(answer.candidates)

    def lengths(self, answer: Answer) -> list[int]:
        """Tokens of each candidate, or of the plain answer."""
        if self.strategy is None:
            return [answer.body["usage"]["completion_tokens"]]
        tokens = [sample["tokens"] for sample in answer.body["cogitate"]["samples"]]
        return [sum(tokens)] if self.is_forced else tokens

    def is_as(self, answer: Answer, plain: Answer) -> bool:
        """Whether every candidate is the plain answer, or under budget_forcing its beginning."""
        if self.is_forced:
            return bool(answer.model_text) and plain.text.startswith(answer.model_text)
        return {*self.candidates(answer), self.first(answer)} == {plain.text}

    @property
    def is_forced(self) -> bool:
        """Whether the strategy ends the thinking itself and appends the answer."""
        return self.strategy == "budget_forcing"

    @property
    def stepwise(self) -> bool:
        return self.strategy is not None and "max_steps" in STRATEGIES[self.strategy].model_fields

    async def without(self, **fields: object) -> Answer:
        return await self.server.once(self.body(**fields))

    async def without_strategy(self, **fields: object) -> Answer:
        """Answer to the request with the field and without the strategy."""
        body = self.body(**self.own, **fields)
        body.pop("strategy", None)
        return await self.server.once(body)


def chunks(stream: str) -> list[Body]:
    """The chunks of a stream, which must end with [DONE]."""
    *events, done, end = stream.split("\n\n")
    assert (done, end) == ("data: [DONE]", ""), stream[-200:]
    return [json.loads(event.removeprefix("data: ")) for event in events if not event.startswith(":")]


def assemble_stream(stream: Sequence[Body]) -> Body:
    """The answer that the official client assembles from a stream."""
    state = ChatCompletionStreamState()
    for chunk in stream:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    found = next((chunk["cogitate"] for chunk in reversed(stream) if "cogitate" in chunk), None)
    complete = dict(state.current_completion_snapshot.model_dump())
    return complete | ({"cogitate": found} if found else {}) | {"chunks": stream}
