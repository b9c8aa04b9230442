"""What a cap on thinking holds: python -m tests.bench.thinking_budget URL TASK [--limit 20] [--caps 32 96 192]

Asks a running server each question under each cap, and reads in the trace of the search what every stretch took. For
models that do not think in tags: where the answer was announced the last stretch is the answer, else all is thinking.
"""

import argparse
import asyncio
import statistics
from dataclasses import dataclass
from typing import Any

import httpx

from cogitate.server.evaluation.client import Client, parse_response
from cogitate.server.evaluation.live import read_answer
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.tasks import load_task
from cogitate.server.protocol.chat_response import ChatCompletion
from cogitate.strategies.core.prompts import FINAL_ANSWER

MAX_TOKENS = 512
"""Of thinking and answer together."""
AT_ONCE = 16
COLUMNS = (
    "cap",
    "questions",
    "ended by it",
    "thinking, mean",
    "overshoot, most",
    "tokens, mean",
    "tokens, most",
    "answered",
    "right",
)


@dataclass(frozen=True, slots=True)
class Seen:
    thinking: int
    tokens: int
    forced: bool
    answered: bool
    right: bool


async def ask(http: httpx.AsyncClient, model: str, question: Question, cap: int) -> Seen:
    body = {
        "model": model,
        "messages": question.turns(),
        "max_tokens": MAX_TOKENS,
        "strategy": {"name": "budget_forcing", "max_thinking": cap},
        "cache": "no-store",
    }
    response = await http.post("/v1/chat/completions", json=body)
    answer = parse_response(ChatCompletion, response.raise_for_status().content)
    name = response.headers["x-request-id"]
    trace: dict[str, Any] = (await http.get(f"/v1/traces/{name}")).raise_for_status().json()
    stretches = [event["tokens"] for event in trace["events"] if event["event"] == "sampled"]
    forced = FINAL_ANSWER in answer.text
    found = question.answer(answer.text, read_answer(answer, question))
    right = await asyncio.to_thread(question.right, found)
    return Seen(sum(stretches[: -1 if forced else None]), sum(stretches), forced, found is not None, right)


def row(cap: int, seen: list[Seen]) -> str:
    over = max(max(0, one.thinking - cap) for one in seen)
    cells = (
        f"{cap}",
        f"{len(seen)}",
        f"{sum(one.forced for one in seen)}",
        f"{statistics.mean(one.thinking for one in seen):.1f}",
        f"{over}",
        f"{statistics.mean(one.tokens for one in seen):.1f}",
        f"{max(one.tokens for one in seen)}",
        f"{sum(one.answered for one in seen)}",
        f"{sum(one.right for one in seen)}",
    )
    return f"| {' | '.join(cells)} |"


async def main(url: str, task: str, limit: int, caps: list[int]) -> None:
    async with Client(url) as client:
        model = await client.model()
    questions = load_task(task, limit)
    print(f"| {' | '.join(COLUMNS)} |\n|{'--:|' * len(COLUMNS)}")
    lanes = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=url, timeout=3600, trust_env=False) as http:

        async def one(question: Question, cap: int) -> Seen:
            async with lanes:
                return await ask(http, model, question, cap)

        for cap in caps:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(question, cap)) for question in questions]
            print(row(cap, [task.result() for task in tasks]), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("task")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--caps", type=int, nargs="+", default=[32, 96, 192])
    flags = parser.parse_args()
    asyncio.run(main(flags.url, flags.task, flags.limit, flags.caps))
