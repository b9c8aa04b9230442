"""Searches an hour with and without early steps: python -m tests.bench.speculation URL TASK --strategy S [--strategy S]

Asks a running server each question with `speculate` false and true, in blocks of --in-flight questions at a time, which
arm goes first taking turns. Compares the responses letter by letter, and prints for each strategy: how many are the
same; searches an hour without and with; their ratio with its 95 % interval (a bootstrap over the blocks); the ratio of
the depths, which is what a machine would gain on which a decode is as fast alone as among others; tokens, of which
aborted, for each search. With --control each block also runs without early steps a second time: how many of those
responses are the same is what the engine itself repeats.
"""

import argparse
import asyncio
import dataclasses
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cogitate.server.evaluation.arms import Arm, parse_arm
from cogitate.server.evaluation.client import Client
from cogitate.server.evaluation.few_shot import read_shots
from cogitate.server.evaluation.live_request import RequestSettings, build_body
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.tasks import load_task
from cogitate.server.protocol.chat_response import ChatCompletion
from cogitate.strategies.core.concurrency import run_all

RESAMPLES = 10_000
COLUMNS = (
    "strategy",
    "at a time",
    "searches",
    "same",
    "same without, twice",
    "an hour without",
    "an hour with",
    "ratio",
    "95 % interval",
    "depth ratio",
    "tokens without",
    "tokens with",
    "aborted",
)


@dataclass(frozen=True, slots=True)
class Block:
    """Questions that were asked at a time, once with each arm."""

    seconds: float
    responses: Sequence[ChatCompletion]

    @property
    def texts(self) -> list[object]:
        """What must be the same: each ranked solution with its score and its end."""
        return [
            [(each.text, each.score, each.finish_reason) for each in response.cogitate.samples or ()]
            for response in self.responses
            if response.cogitate
        ]

    @property
    def depth(self) -> int:
        return sum(response.cogitate.depth for response in self.responses if response.cogitate)

    @property
    def tokens(self) -> int:
        return sum(response.usage.completion_tokens for response in self.responses)

    @property
    def aborted(self) -> int:
        return sum(response.cogitate.aborted_tokens for response in self.responses if response.cogitate)


async def run_block(client: Client, settings: RequestSettings, arm: Arm, questions: Sequence[Question]) -> Block:
    """Ask the questions at once, and wait for all answers."""
    bodies = [build_body(settings, arm, question, candidates=True) for question in questions]
    began = time.monotonic()
    answered = await run_all([client.chat(body) for body in bodies])
    return Block(time.monotonic() - began, [response for response, _ in answered])


def with_speculation(arm: Arm, speculate: bool) -> Arm:
    """Return the arm with the option set."""
    return Arm(arm.name, arm.strategy.model_copy(update={"speculate": speculate}))


def ratio_interval(without: Sequence[float], ahead: Sequence[float]) -> tuple[float, float, float]:
    """Return the ratio of the sums and its 95 % interval, a percentile bootstrap over pairs."""
    rng, pairs = random.Random(0), list(zip(without, ahead, strict=True))
    draws = sorted(
        sum(a for a, _ in drawn) / sum(b for _, b in drawn)
        for drawn in (rng.choices(pairs, k=len(pairs)) for _ in range(RESAMPLES))
    )
    return sum(without) / sum(ahead), draws[RESAMPLES // 40], draws[-RESAMPLES // 40 - 1]


def build_row(name: str, size: int, without: Sequence[Block], ahead: Sequence[Block], control: Sequence[Block]) -> str:
    """Build a row of the Markdown table."""
    searches = sum(len(block.responses) for block in without)
    ratio, low, high = ratio_interval([b.seconds for b in without], [b.seconds for b in ahead])
    cells = (
        f"`{name}`",
        f"{size}",
        f"{searches}",
        f"{count_same(without, ahead)}",
        f"{count_same(without, control)}" if control else "",
        f"{3600 * searches / sum(block.seconds for block in without):.0f}",
        f"{3600 * searches / sum(block.seconds for block in ahead):.0f}",
        f"{ratio:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{sum(block.depth for block in without) / sum(block.depth for block in ahead):.2f}",
        f"{sum(block.tokens for block in without) / searches:.0f}",
        f"{sum(block.tokens for block in ahead) / searches:.0f}",
        f"{sum(block.aborted for block in ahead) / searches:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def count_same(first: Sequence[Block], second: Sequence[Block]) -> int:
    """Count the searches with the same ranking, to the letter."""
    return sum(
        a == b for one, other in zip(first, second, strict=True) for a, b in zip(one.texts, other.texts, strict=True)
    )


async def measure(
    client: Client,
    settings: RequestSettings,
    arm: Arm,
    blocks: Sequence[Sequence[Question]],
    control: bool,
    seconds: float,
) -> tuple[list[Block], list[Block], list[Block]]:
    """Run every block with each arm, the last first in every other block; no block begins after `seconds`."""
    ends = time.monotonic() + seconds
    arms = [with_speculation(arm, speculate) for speculate in (False, True)] + [with_speculation(arm, False)] * control
    measured: tuple[list[Block], ...] = ([], [], [])
    for at, questions in enumerate(blocks):
        if time.monotonic() > ends:
            break
        order = range(len(arms)) if at % 2 == 0 else reversed(range(len(arms)))
        for which in order:
            measured[which].append(await run_block(client, settings, arms[which], questions))
    return measured[0], measured[1], measured[2]


async def main(flags: argparse.Namespace) -> None:
    shots = read_shots(flags.shots)
    questions = [dataclasses.replace(question, shots=shots) for question in load_task(flags.task, flags.limit)]
    blocks = [questions[at : at + flags.in_flight] for at in range(0, len(questions), flags.in_flight)]
    print(f"| {' | '.join(COLUMNS)} |\n|---|{'--:|' * (len(COLUMNS) - 1)}")
    async with Client(flags.url) as client:
        settings = RequestSettings(
            model=await client.model(),
            max_tokens=flags.max_tokens,
            instruction=flags.instruction,
            temperature=flags.temperature,
        )
        for spec in flags.strategies:
            arm = parse_arm(spec)
            await run_block(client, settings, arm, questions[:1])  # the first request of a server is slower
            print(
                build_row(
                    arm.name,
                    flags.in_flight,
                    *await measure(client, settings, arm, blocks, flags.control, flags.seconds),
                ),
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="base URL of the server, without /v1")
    parser.add_argument("task", help="a task of `cogitate eval`, such as gym:countdown")
    parser.add_argument("--strategy", dest="strategies", action="append", required=True, help="a step-wise search")
    parser.add_argument("--limit", type=int, default=20, help="number of questions (default: 20)")
    parser.add_argument("--in-flight", type=int, default=1, help="searches at a time (default: 1)")
    parser.add_argument("--max-tokens", type=int, default=80, help="limit of an answer (default: 80)")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the samples (default: 1)")
    parser.add_argument("--instruction", default="", help="appended to each question (default: nothing)")
    parser.add_argument("--shots", type=Path, help="few-shot examples, as for `cogitate eval`")
    parser.add_argument("--seconds", type=float, default=3600, help="for each strategy (default: 3600)")
    parser.add_argument("--control", action="store_true", help="run each block without early steps twice")
    asyncio.run(main(parser.parse_args()))
