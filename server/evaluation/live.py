"""A live run: measures strategies against a running server, as a client of its API sees and pays for them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.server.evaluation.arms import Arm
from cogitate.server.evaluation.baselines import (
    GREEDY_ARM,
    SAMPLE_ARM,
    GradedSample,
    majority_arm,
    oracle_name,
    sample_results,
    unique_arms,
)
from cogitate.server.evaluation.client import Client, PromptTooLong, RequestFailed
from cogitate.server.evaluation.comparison import Comparison
from cogitate.server.evaluation.live_request import RequestSettings, build_body
from cogitate.server.evaluation.progress import Progress
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.results import Result, Results, overlong_result
from cogitate.server.protocol.chat_response import ChatCompletion
from cogitate.server.protocol.cogitate import Sample as Candidate
from cogitate.strategies.answers import Answer, extract
from cogitate.strategies.core.concurrency import for_each


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """What a live run asks of its server."""

    arms: Sequence[Arm]
    n: int
    """Samples of each question for the baselines that are made of samples; 0: none."""
    questions: Sequence[Question]
    settings: RequestSettings
    comparison: Comparison

    @property
    def majority(self) -> str:
        """The name of the arm whose samples are results of their own."""
        return majority_arm(self.n).name if self.n else ""

    def is_missing(self, arm: str, question: Question, results: Results) -> bool:
        """Whether results of the arm and the question are still to be measured."""
        rows = (arm, oracle_name(self.n)) if arm == self.majority else (arm,)
        return any(key not in results for row in rows for key in self.comparison.keys_of(row, question.id))


async def run_live(run: LiveRun, results: Results, client: Client, in_flight: int) -> None:
    """Measure what the results lack: greedy, the majority vote with its samples, and the arms.

    `in_flight`: requests at a time. Raises RequestFailed.
    """
    jobs = [
        (arm, question)
        for question in run.questions
        for arm in (None, *unique_arms(run.arms, run.n))
        if run.is_missing(arm.name if arm else GREEDY_ARM, question, results)
    ]
    with Progress("answers", len(jobs)) as progress:

        async def measure(job: tuple[Arm | None, Question]) -> None:
            arm, question = job
            n = run.n if arm and arm.name == run.majority else 0
            measured = await ask(client, run.settings, arm, question, n)
            results.add(run.comparison.digests[question.id], *measured)
            progress.advance(measured[0].tokens)

        await for_each(jobs, in_flight, measure)


async def ask(
    client: Client, settings: RequestSettings, arm: Arm | None, question: Question, n: int = 0
) -> list[Result]:
    """Send one request and grade the response; `arm` None: greedy.

    Returns the arm's result; with n also the results of its samples and of the oracle. Raises RequestFailed.
    """
    name = arm.name if arm else GREEDY_ARM
    try:
        response, seconds = await client.chat(build_body(settings, arm, question, candidates=n > 0))
        _check_extension(response, arm, n)
    except PromptTooLong:
        of_samples = [overlong_result(SAMPLE_ARM, question.id, at) for at in range(n)]
        return [
            overlong_result(name, question.id),
            *of_samples,
            *([overlong_result(oracle_name(n), question.id)] if n else []),
        ]
    except RequestFailed as error:
        raise RequestFailed(f"{name}, {question.id}: {error}") from None
    return await asyncio.to_thread(_to_results, response, seconds, name, question, n)


def _check_extension(response: ChatCompletion, arm: Arm | None, n: int) -> None:
    """Raises RequestFailed where the server knows no strategies, or does not list their samples."""
    if arm and not response.cogitate:
        raise RequestFailed("the server has no strategies: its response has no `cogitate`")
    if n and not (response.cogitate and response.cogitate.samples):
        raise RequestFailed("the server does not list the samples: its response has no `cogitate.samples`")


def _to_results(response: ChatCompletion, seconds: float, arm: str, question: Question, n: int) -> list[Result]:
    extension, usage = response.cogitate, response.usage
    answer = question.answer(response.text, read_answer(response, question))
    result = Result(
        arm=arm,
        question=question.id,
        correct=question.is_right(answer),
        answer=answer.raw if answer else None,
        tokens=usage.completion_tokens,
        aborted=extension.aborted_tokens if extension else 0,
        verifier=extension.verifier_tokens if extension else 0,
        prompt=usage.prompt_tokens,
        candidates=extension.candidates if extension else 1,
        depth=extension.depth if extension else usage.completion_tokens,
        seconds=seconds,
        stopped=extension.stopped if extension else "completed",
    )
    candidates = extension.samples if extension and n else ()
    samples = [_grade_candidate(candidate, question, usage.prompt_tokens) for candidate in candidates]
    return [result, *(sample_results(question.id, samples, n) if samples else ())]


def _grade_candidate(candidate: Candidate, question: Question, prompt: int) -> GradedSample:
    answer = question.answer(candidate.text, _to_answer(candidate.answer))
    return GradedSample(answer.raw if answer else None, question.is_right(answer), candidate.tokens, prompt)


def read_answer(response: ChatCompletion, question: Question) -> Answer | None:
    """Return the answer that the strategy reports. Without a strategy it is extracted from the text.

    The text of a response that was cut off counts only where its answer is boxed.
    """
    if response.cogitate:
        return _to_answer(response.cogitate.answer)
    answer = extract(response.text, "auto", question.text)
    return answer if answer and (response.choices[0].finish_reason == "stop" or answer.rule == "boxed") else None


def _to_answer(text: str | None) -> Answer | None:
    return None if text is None else Answer(text, text, "phrase")
