"""Zero-shot chain of thought: ask for the steps, then, if they end in no answer, ask for the answer.

Kojima et al., 2022, arXiv:2205.11916. Deviations: the second, short call is made only when no answer can be read from
the first, out of what max_tokens leaves, and never behind a text that the client binds (stop, bad_words, logit_bias);
and the trigger names no format unless the request does.
"""

import re
from dataclasses import replace
from typing import ClassVar, Literal

from cogitate.strategies.core.options import Options
from cogitate.strategies.core.prompts import THEREFORE
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome, Prompt, join_steps

ANSWER_TOKENS = 32
"""The paper's second call."""
PROSE = re.compile(
    r"\s*(please\s+)?(write|draft|compose|summari[sz]e|translate|rewrite|describe|tell me|imagine)\b", re.I
)


class ChainOfThought(Options):
    """Think step by step, then answer; a second, short call reads out the answer where the first gave none."""

    temperature: ClassVar[float] = 0.0
    paper: ClassVar[str] = "arXiv:2205.11916"
    version: ClassVar[int] = 2

    name: Literal["chain_of_thought"] = "chain_of_thought"

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        chain = await run.generate(prompt, visible=True)
        outcome = Outcome(chain, await run.read(chain))
        run.propose(outcome)
        left = 0 if run.request.sampling.constrained else self.left(chain, run.request.sampling.max_tokens)
        if outcome.answer is None and left and "continue" in run.request.abilities and self.answerable(prompt):
            run.emit_text(THEREFORE)
            answer = await run.generate(
                chain.continuation.prefill(THEREFORE), role="extraction", visible=True, max_tokens=left, greedy=True
            )
            outcome = await self.concluded(chain, answer, run)
        return outcome

    def left(self, chain: Completion, limit: int | None) -> int:
        """What the visible answer may still grow by: a chain that was cut off stays what it is."""
        room = ANSWER_TOKENS if limit is None else limit - chain.completion_tokens
        return min(room, ANSWER_TOKENS) if chain.finish == "stop" else 0

    def cost(self, max_tokens: int) -> int:
        return max_tokens

    def answerable(self, prompt: Prompt) -> bool:
        """Whether the question has a short answer to ask for. A poem has none, and a second call writes no box."""
        return self.answer_format not in ("text", "json", "boxed") and not PROSE.match(prompt.question)

    async def concluded(self, chain: Completion, answer: Completion, run: Run) -> Outcome:
        """The chain with its conclusion written behind it. Of the answer the first line counts, as in the paper."""
        first = answer.text.strip().split("\n")[0]
        read = await run.read(replace(answer, text=f"The answer is {first}", finish="stop"))
        said = replace(answer, text=THEREFORE + answer.text)
        return Outcome(join_steps([chain, said]), read)
