"""Zero-shot chain of thought: asks for the steps, then, if they end without an answer, asks for the answer.

Kojima et al., 2022, arXiv:2205.11916. Deviations: the second, short call is made only where no answer can be read from
the first, with the tokens that max_tokens leaves, and never where the client constrains the text (stop, bad_words,
logit_bias); and the trigger names no format unless the request does.
"""

from dataclasses import replace
from typing import ClassVar, Literal

from cogitate.strategies.core.joining import join_steps
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import THEREFORE, asks_for_prose
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome

MAX_ANSWER_TOKENS = 32
"""The paper's limit of the second call."""


class ChainOfThought(Options):
    """Think step by step, then answer; a second, short call reads out the answer where the first gave none."""

    temperature: ClassVar[float] = 0.0
    paper: ClassVar[str] = "arXiv:2205.11916"
    when: ClassVar[str] = "one answer, with its steps; the cheapest"
    when_not: ClassVar[str] = "a model that thinks before it answers anyway; subjective questions"
    cost_note: ClassVar[str] = "1 answer"
    version: ClassVar[int] = 2

    name: Literal["chain_of_thought"] = "chain_of_thought"

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        chain = await run.generate(prompt, visible=True)
        outcome = Outcome(chain, await run.read(chain))
        run.propose(outcome)
        sampling = run.request.sampling
        tokens = 0 if sampling.constrained else self.answer_tokens(chain, sampling.max_tokens)
        extractable = "continue" in run.request.abilities and self.has_short_answer(prompt)
        if outcome.answer is None and tokens and extractable:
            run.emit_text(THEREFORE)
            question = chain.continuation.prefill(THEREFORE)
            answer = await run.generate(question, role="extraction", visible=True, max_tokens=tokens, greedy=True)
            outcome = await self.conclude(chain, answer, run)
        return outcome

    def cost(self, max_tokens: int) -> int:
        return max_tokens

    def answer_tokens(self, chain: Completion, limit: int | None) -> int:
        """Return the tokens of the second call; 0 after a truncated chain, which is returned as it is."""
        left = MAX_ANSWER_TOKENS if limit is None else limit - chain.completion_tokens
        return min(left, MAX_ANSWER_TOKENS) if chain.finish == "stop" else 0

    def has_short_answer(self, prompt: Prompt) -> bool:
        """Return whether the question has a short answer: a poem has none, and a second call writes no box."""
        return self.answer_format not in ("text", "json", "boxed") and not asks_for_prose(prompt.question)

    async def conclude(self, chain: Completion, answer: Completion, run: Run) -> Outcome:
        """Return the chain with its conclusion appended. The answer is its first line, as in the paper."""
        first_line = answer.text.strip().split("\n")[0]
        read = await run.read(replace(answer, text=f"The answer is {first_line}", finish="stop"))
        conclusion = replace(answer, text=THEREFORE + answer.text)
        return Outcome(join_steps([chain, conclusion]), read)
