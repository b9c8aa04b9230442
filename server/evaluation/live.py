"""A strategy against a running server, over its own API: what a client would see and pay."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.evaluation.arms import Arm
from server.evaluation.client import Client
from server.evaluation.progress import Progress
from server.evaluation.question import Question
from server.evaluation.results import Result, Results
from server.evaluation.told import Told
from strategies.answers import Answer, extract
from strategies.concurrency import group
from strategies.granting import derived_seed

GREEDY = "greedy"
"""The arm that is no strategy: the engine's own, most probable answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What every request of a run shares."""

    model: str
    max_tokens: int
    instruction: str
    temperature: float | None = None
    top_p: float | None = None
    seed: int = 0


async def measured(
    arms: Sequence[Arm],
    questions: Sequence[Question],
    client: Client,
    asking: Asking,
    results: Results,
    in_flight: int,
    progress: Progress,
) -> None:
    """Fills the results with what is not there yet, greedy answers beside. Raises Refused."""
    wanted = [
        (arm, question)
        for question in questions
        for arm in (None, *arms)
        if (arm.name if arm else GREEDY, question.id, 0) not in results
    ]
    progress.expect(len(wanted))
    queue = iter(wanted)

    async def lane() -> None:
        for arm, question in queue:
            result = await asked(client, asking, arm, question)
            results.put(result)
            progress.advance(result.tokens)

    async with group() as lanes:
        for _ in range(min(in_flight, len(wanted))):
            lanes.create_task(lane())


async def asked(client: Client, asking: Asking, arm: Arm | None, question: Question) -> Result:
    began = time.monotonic()
    answer = await client.chat(body(asking, arm, question))
    seconds = time.monotonic() - began
    found, read = answer.cogitate, question.answer(answer.text, answered(answer, question))
    right = await asyncio.to_thread(question.right, read)
    return Result(
        arm=arm.name if arm else GREEDY,
        question=question.id,
        correct=right,
        answer=read.raw if read else None,
        tokens=answer.usage.completion_tokens,
        aborted=found.aborted_tokens if found else 0,
        verifier=found.verifier_tokens if found else 0,
        prompt=answer.usage.prompt_tokens,
        candidates=found.candidates if found else 1,
        seconds=seconds,
        stopped=found.stopped if found else "completed",
    )


def answered(answer: Told, question: Question) -> Answer | None:
    """What the strategy says it answered; of a plain answer what can be read from it, nothing where it was cut."""
    if answer.cogitate:
        said = answer.cogitate.answer
        return None if said is None else Answer(said, said, "phrase")
    read = extract(answer.text, "auto", question.text)
    return read if read and (answer.choices[0].finish_reason == "stop" or read.rule == "boxed") else None


def body(asking: Asking, arm: Arm | None, question: Question) -> dict[str, Any]:
    """The request as a client would send it. Under a strategy the instruction is the strategy's own option."""
    said: dict[str, Any] = {
        "model": asking.model,
        "messages": question.turns("" if arm else asking.instruction),
        "max_tokens": asking.max_tokens,
        "seed": derived_seed(asking.seed, sum(question.id.encode())),
        "cache": "no-store",
    }
    if arm is None:
        return said | {"temperature": 0.0}
    options = arm.strategy.model_dump(mode="json", exclude_unset=True)
    unsaid = {"instruction": ""} if question.program else {}
    said["strategy"] = {"name": arm.strategy.name, **unsaid, **options}
    sampled = {"temperature": asking.temperature, "top_p": asking.top_p}
    return said | {name: value for name, value in sampled.items() if value is not None}
