"""Measures how exactly a limit on thinking holds: python -m tests.bench.thinking_budget URL TASK [--limit N]

Sends each question of a task to a running server once per limit, with the strategy budget_forcing, and reads the tokens
of each decode from the trace of the request. For models without thinking tags: where the strategy requested the final
answer, the last decode is the answer and all others are thinking; otherwise all are thinking.
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
"""Limit for thinking and answer together."""
CONCURRENT_REQUESTS = 16
TIMEOUT_SECONDS = 3600
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
class Result:
    """The tokens and the answer of one request."""

    thinking: int
    tokens: int
    forced: bool
    """Whether the limit ended the thinking."""
    answered: bool
    right: bool


async def measure(http: httpx.AsyncClient, model: str, question: Question, cap: int) -> Result:
    """Send a question, and read its trace. Raises httpx.HTTPStatusError."""
    body = {
        "model": model,
        "messages": question.turns(),
        "max_tokens": MAX_TOKENS,
        "strategy": {"name": "budget_forcing", "max_thinking": cap},
        "cache": "no-store",
    }
    response = await http.post("/v1/chat/completions", json=body)
    completion = parse_response(ChatCompletion, response.raise_for_status().content)
    request_id = response.headers["x-request-id"]
    trace: dict[str, Any] = (await http.get(f"/v1/traces/{request_id}")).raise_for_status().json()
    decodes = [event["tokens"] for event in trace["events"] if event["kind"] == "decode" and not event["aborted"]]
    forced = FINAL_ANSWER in completion.text
    answer = question.answer(completion.text, read_answer(completion, question))
    right = await asyncio.to_thread(question.right, answer)
    return Result(sum(decodes[: -1 if forced else None]), sum(decodes), forced, answer is not None, right)


def build_row(cap: int, results: list[Result]) -> str:
    """Build a row of the Markdown table."""
    cells = (
        f"{cap}",
        f"{len(results)}",
        f"{sum(result.forced for result in results)}",
        f"{statistics.mean(result.thinking for result in results):.1f}",
        f"{max(max(0, result.thinking - cap) for result in results)}",
        f"{statistics.mean(result.tokens for result in results):.1f}",
        f"{max(result.tokens for result in results)}",
        f"{sum(result.answered for result in results)}",
        f"{sum(result.right for result in results)}",
    )
    return f"| {' | '.join(cells)} |"


async def main(url: str, task: str, limit: int, caps: list[int]) -> None:
    async with Client(url) as client:
        model = await client.model()
    questions = load_task(task, limit)
    print(f"| {' | '.join(COLUMNS)} |\n|{'--:|' * len(COLUMNS)}")
    slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False) as http:

        async def measure_in_slot(question: Question, cap: int) -> Result:
            async with slots:
                return await measure(http, model, question, cap)

        for cap in caps:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(measure_in_slot(question, cap)) for question in questions]
            print(build_row(cap, [task.result() for task in tasks]), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="base URL of the server, without /v1")
    parser.add_argument("task", help="a task of `cogitate eval`, such as a JSON Lines file")
    parser.add_argument("--limit", type=int, default=20, help="number of questions (default: 20)")
    parser.add_argument("--caps", type=int, nargs="+", default=[32, 96, 192], help="values of max_thinking")
    flags = parser.parse_args()
    asyncio.run(main(flags.url, flags.task, flags.limit, flags.caps))
