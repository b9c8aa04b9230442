"""Fills a bank: plain, seeded requests, many in flight, one question after the other."""

from collections.abc import Sequence
from typing import Any

from cogitate.server.evaluation.client import Client
from cogitate.server.evaluation.lanes import each
from cogitate.server.evaluation.progress import Progress
from cogitate.server.evaluation.provenance import digest
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.sample import GREEDY, Recipe, Sample
from cogitate.server.evaluation.sample_bank import BankFile
from cogitate.server.evaluation.told import Refused, TooLong
from cogitate.strategies.core.seeds import derived_seed


async def fill(
    bank: BankFile,
    questions: Sequence[Question],
    n: int,
    client: Client,
    model: str,
    in_flight: int,
    progress: Progress,
) -> set[str]:
    """Until each question has a greedy sample and n others. What is there already is not made again.

    Which questions the model's context does not hold: they get none. Raises Refused.
    """
    wanted = [
        (question, index) for question in questions for index in (GREEDY, *range(n)) if (question.id, index) not in bank
    ]
    progress.expect(len(wanted))
    too_long = set[str]()

    async def draw(one: tuple[Question, int]) -> None:
        question, index = one
        try:
            bank.put(sample := await drawn(client, model, bank.bank.recipe, question, index))
            progress.advance(sample.tokens)
        except TooLong:
            too_long.add(question.id)
            progress.advance()
        except Refused as error:
            raise Refused(f"{question.id}: {error}") from None

    await each(wanted, in_flight, draw)
    return too_long


async def drawn(client: Client, model: str, recipe: Recipe, question: Question, index: int) -> Sample:
    seed = derived_seed(recipe.seed, index)
    answer, _ = await client.chat(asked(model, recipe, question, index, seed))
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
        asked=digest(question.text),
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
