"""Fills a bank: plain, seeded requests, many in flight, one question after the other."""

from collections.abc import Iterator, Sequence
from typing import Any

from server.evaluation.bank import GREEDY, BankFile, Recipe, Sample
from server.evaluation.client import Client
from server.evaluation.progress import Progress
from server.evaluation.question import Question
from strategies.concurrency import group
from strategies.granting import derived_seed


async def fill(
    bank: BankFile,
    questions: Sequence[Question],
    n: int,
    client: Client,
    model: str,
    in_flight: int,
    progress: Progress,
) -> None:
    """Until each question has a greedy sample and n others. What is there already is not made again."""
    wanted = [
        (question, index) for question in questions for index in (GREEDY, *range(n)) if (question.id, index) not in bank
    ]
    progress.expect(len(wanted))
    queue: Iterator[tuple[Question, int]] = iter(wanted)

    async def lane() -> None:
        for question, index in queue:
            sample = await drawn(client, model, bank.bank.recipe, question, index)
            bank.put(sample)
            progress.advance(sample.tokens)

    async with group() as lanes:
        for _ in range(min(in_flight, len(wanted))):
            lanes.create_task(lane())


async def drawn(client: Client, model: str, recipe: Recipe, question: Question, index: int) -> Sample:
    seed = derived_seed(recipe.seed, index)
    answer = await client.chat(asked(model, recipe, question, index, seed))
    choice, spent = answer.choices[0], answer.usage
    tokens = (choice.logprobs and choice.logprobs.content) or []
    return Sample(
        question=question.id,
        index=index,
        seed=seed,
        text=answer.text,
        finish=choice.finish_reason,
        tokens=spent.completion_tokens,
        prompt_tokens=spent.prompt_tokens,
        logprobs=[round(token.logprob, 4) for token in tokens],
        top=[[round(other.logprob, 3) for other in token.top_logprobs] for token in tokens],
    )


def asked(model: str, recipe: Recipe, question: Question, index: int, seed: int) -> dict[str, Any]:
    greedy = index == GREEDY
    return {
        "model": model,
        "messages": question.turns(recipe.instruction),
        "max_tokens": recipe.max_tokens,
        "temperature": 0.0 if greedy else recipe.temperature,
        "top_p": 1.0 if greedy else recipe.top_p,
        "seed": seed,
        "logprobs": True,
        "top_logprobs": recipe.top_logprobs,
        "cache": "no-store",
    }
