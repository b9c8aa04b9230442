"""Fills a sample bank from a server with plain, seeded requests, many at a time."""

from collections.abc import Sequence
from typing import Any

from cogitate.server.evaluation.client import Client, PromptTooLong, RequestFailed
from cogitate.server.evaluation.progress import Progress
from cogitate.server.evaluation.provenance import digest
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.sample import GREEDY_INDEX, Recipe, Sample
from cogitate.server.evaluation.sample_bank import BankFile
from cogitate.strategies.core.concurrency import for_each
from cogitate.strategies.core.seeds import derive_seed


async def fill_bank(
    file: BankFile, questions: Sequence[Question], n: int, client: Client, model: str, in_flight: int
) -> set[str]:
    """Draw samples until each question has a greedy one and n others; samples in the file are not drawn again.

    Returns the ids of the questions that do not fit into the model's context: they get no samples. Raises
    RequestFailed.
    """
    missing = [
        (question, index)
        for question in questions
        for index in (GREEDY_INDEX, *range(n))
        if (question.id, index) not in file
    ]
    too_long = set[str]()
    with Progress("samples", len(missing)) as progress:

        async def draw(key: tuple[Question, int]) -> None:
            question, index = key
            try:
                file.add(sample := await draw_sample(client, model, file.bank.recipe, question, index))
                progress.advance(sample.tokens)
            except PromptTooLong:
                too_long.add(question.id)
                progress.advance()
            except RequestFailed as error:
                raise RequestFailed(f"{question.id}: {error}") from None

        await for_each(missing, in_flight, draw)
    return too_long


async def draw_sample(client: Client, model: str, recipe: Recipe, question: Question, index: int) -> Sample:
    """Requests one sample. Raises RequestFailed, PromptTooLong."""
    seed = derive_seed(recipe.seed, index)
    response, _ = await client.chat(_build_body(model, recipe, question, index, seed))
    choice, usage = response.choices[0], response.usage
    tokens = (choice.logprobs and choice.logprobs.content) or []
    return Sample(
        question=question.id,
        index=index,
        seed=seed,
        text=response.text,
        finish=choice.finish_reason or "stop",
        tokens=usage.completion_tokens,
        prompt_tokens=usage.prompt_tokens,
        logprobs=[round(token.logprob, 4) for token in tokens],
        top=[[round(alternative.logprob, 3) for alternative in token.top_logprobs] for token in tokens],
        asked=digest(question.text),
    )


def _build_body(model: str, recipe: Recipe, question: Question, index: int, seed: int) -> dict[str, Any]:
    greedy = index == GREEDY_INDEX
    return {
        "model": model,
        "messages": question.messages(recipe.instruction),
        "max_tokens": recipe.max_tokens,
        "temperature": 0.0 if greedy else recipe.temperature,
        "top_p": 1.0 if greedy else recipe.top_p,
        "seed": seed,
        "logprobs": True,
        "top_logprobs": recipe.top_logprobs,
        "cache": "no-store",
    }
