"""How the table's checks ask: one field under one strategy, beside the same request without either."""

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
AS_IT_STANDS: Mapping[str, Mapping[str, object]] = {
    "best_of_n": {"verifier": "confidence"},
    "self_refine": {"verifier": "confidence", "method": "verification", "rounds": 1},
    "budget_forcing": {"waits": 0, "answer_tokens": 1},
}
"""What leaves the model's text alone. A draft is seldom revised, for want of questions; no program is written; and
a thought is followed by words of ours, and by one token."""
OURS = (THEREFORE, f"\n\n{FINAL_ANSWER}")


class Refused(Exception):
    """A 400, and the field it names."""

    def __init__(self, error: Body) -> None:
        super().__init__(error["message"])
        self.param: str | None = error["param"]


def small(strategy: str) -> Body:
    """The strategy at its cheapest, putting nothing of ours into the prompt, and telling its candidates."""
    own = {name: value for name, value in SMALL.items() if name in STRATEGIES[strategy].model_fields}
    own |= AS_IT_STANDS.get(strategy, {})
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
    def said(self) -> str:
        """The text up to words of ours."""
        return re.split("|".join(map(re.escape, OURS)), self.text)[0]

    @property
    def calls(self) -> list[Body]:
        return self.message.get("tool_calls") or []

    @property
    def finish(self) -> str:
        return str(self.choices[0]["finish_reason"])

    @property
    def candidates(self) -> list[str]:
        """The text of each candidate; of a plain answer its own."""
        if "cogitate" not in self.body:
            return [self.text]
        return [sample["text"] for sample in self.body["cogitate"]["samples"]]

    @property
    def ended(self) -> list[str]:
        """The candidates that no limit cut off."""
        samples = self.body["cogitate"]["samples"] if "cogitate" in self.body else []
        return [sample["text"] for sample in samples if sample["finish_reason"] != "length"]


@dataclass(slots=True)
class Server:
    """Answers that must not differ are asked for once: what has no seed and is not greedy is asked anew."""

    url: str
    client: httpx.AsyncClient
    _known: dict[str, "asyncio.Task[Answer]"] = field(default_factory=dict)

    async def ask(self, body: Body) -> Answer:
        """Raises Refused."""
        response = await self.client.post(f"{self.url}/v1/chat/completions", json=body)
        if response.status_code == 400:
            raise Refused(response.json()["error"])
        assert response.status_code == 200, response.text
        if not body.get("stream"):
            return Answer(response.json(), response.headers)
        return Answer(spelt(chunks(response.text)), response.headers)

    async def once(self, body: Body) -> Answer:
        key = json.dumps(body, sort_keys=True)
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self.ask(body))
        return await asyncio.shield(self._known[key])


@dataclass(frozen=True, slots=True)
class Trial:
    """One field's value under one strategy; None: none."""

    server: Server
    strategy: str | None
    name: str
    value: object
    beside: Mapping[str, object]
    """The fields that the trial needs, with the field and without it."""

    @property
    def own(self) -> Body:
        return {self.name: self.value}

    def body(self, **fields: object) -> Body:
        strategy = {"strategy": small(self.strategy)} if self.strategy else {}
        return {**BASE, **strategy, **self.beside, **fields}

    async def asked(self, **fields: object) -> Answer:
        """With the field."""
        return await self.server.once(self.body(**self.own, **fields))

    async def anew(self, **fields: object) -> Answer:
        """With the field, and whatever was answered before."""
        return await self.server.ask(self.body(**self.own | fields))

    def first(self, answer: Answer) -> str:
        """What the engine said to the question itself: a revision answers another one, in which the draft stands."""
        return answer.candidates[0] if self.strategy == "self_refine" else answer.said

    def candidates(self, answer: Answer) -> list[str]:
        """The texts that compete. What is made in steps tells its steps, so there it is the answer."""
        single = self.stepwise or self.forced or self.strategy == "self_refine"
        return [self.first(answer)] if single else answer.candidates

    def begun(self, answer: Answer) -> int:
        """How many decodes there were: candidates, or the steps of a step-wise search."""
        return len(answer.candidates)

    def lengths(self, answer: Answer) -> list[int]:
        """Tokens of each candidate, or of the plain answer."""
        if self.strategy is None:
            return [answer.body["usage"]["completion_tokens"]]
        tokens = [sample["tokens"] for sample in answer.body["cogitate"]["samples"]]
        return [sum(tokens)] if self.forced else tokens

    def is_as(self, answer: Answer, plain: Answer) -> bool:
        """Whether every candidate is the plain answer; of a thought, all that it had room for."""
        if self.forced:
            return bool(answer.said) and plain.text.startswith(answer.said)
        return {*self.candidates(answer), self.first(answer)} == {plain.text}

    @property
    def forced(self) -> bool:
        """A thought is ended by us, and the answer follows it."""
        return self.strategy == "budget_forcing"

    @property
    def stepwise(self) -> bool:
        return self.strategy is not None and "max_steps" in STRATEGIES[self.strategy].model_fields

    async def without(self, **fields: object) -> Answer:
        return await self.server.once(self.body(**fields))

    async def plainly(self, **fields: object) -> Answer:
        """With the field, without the strategy."""
        body = self.body(**self.own, **fields)
        body.pop("strategy", None)
        return await self.server.once(body)


def chunks(stream: str) -> list[Body]:
    """A stream's chunks. It must end with [DONE]."""
    *events, done, end = stream.split("\n\n")
    assert (done, end) == ("data: [DONE]", ""), stream[-200:]
    return [json.loads(event.removeprefix("data: ")) for event in events if not event.startswith(":")]


def spelt(stream: Sequence[Body]) -> Body:
    """The answer that a stream spells, by the official client's own bookkeeping."""
    state = ChatCompletionStreamState()
    for chunk in stream:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    found = next((chunk["cogitate"] for chunk in reversed(stream) if "cogitate" in chunk), None)
    whole = dict(state.current_completion_snapshot.model_dump())
    return whole | ({"cogitate": found} if found else {}) | {"chunks": stream}
