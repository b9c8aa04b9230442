"""Budget forcing: thinking that ends too early goes on behind a "Wait", and one that goes on too long is ended.

s1, Muennighoff et al., 2025, arXiv:2501.19393; max_thinking 0 is NoThinking (Ma et al., 2025, arXiv:2504.09858). Of a
model without tags the chain is the thinking, and the end of its turn the end of it. Deviations: the allowance is of all
thinking, not of each stretch; max_tokens is of thinking and answer together, at most half of it reserved for the
answer; and NoThinking spends one token, of which nothing is kept, to see whether the model thinks in tags.
"""

from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.budget import smallest_limit
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.ports import Ability, SampleFailed
from cogitate.strategies.core.prompts import FINAL_ANSWER, NO_THOUGHT, WAIT
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.thinking.early_exit import (
    DEER_THRESHOLD,
    MAX_PROBE_TOKENS,
    PROBE,
    is_stable,
    parse_probe_answer,
    probe_confidence,
)
from cogitate.strategies.thinking.tags import CLOSE_TAG, OPEN_TAG
from cogitate.strategies.thinking.thought import Thought


class BudgetForcing(Options):
    """Think for at least, and at most, so many tokens, then answer; or do not think at all."""

    temperature: ClassVar[float] = 0.0
    stepwise: ClassVar[bool] = True
    paper: ClassVar[str] = "arXiv:2501.19393"
    version: ClassVar[int] = 2

    name: Literal["budget_forcing"] = "budget_forcing"
    max_thinking: int | None = Field(
        default=None, ge=0, le=1_000_000, description="Tokens of thinking in all; null: what max_tokens leaves; 0: none"
    )
    min_thinking: int | None = Field(
        default=None, ge=0, le=1_000_000, description="An end of thinking is early before so many tokens; null: always"
    )
    waits: int = Field(default=1, ge=0, le=16, description='How often an early end is replaced by "Wait"')
    answer_tokens: int = Field(
        default=256, ge=1, le=65_536, description="Kept for the answer, of max_tokens at most half"
    )
    early_exit: Literal["none", "confidence", "probes"] = Field(
        default="none", description="End thinking once a probe's answer is sure, or the last three are the same"
    )
    probe_every: int = Field(default=64, ge=8, le=4096, description="Tokens of thinking from one probe to the next")

    @property
    def needs(self) -> frozenset[Ability]:
        return frozenset({"continue", "logprobs"} if self.early_exit == "confidence" else {"continue"})

    @property
    def logprobs(self) -> int | None:
        return 0 if self.early_exit == "confidence" else None

    def cost(self, max_tokens: int) -> int:
        """Thinking and answer, the look at how the model thinks, and the probes."""
        thinking = min(max_tokens, max_tokens if self.max_thinking is None else self.max_thinking)
        probes = 0 if self.early_exit == "none" else thinking // self.probe_every
        return max_tokens + 1 + probes * min(max_tokens, MAX_PROBE_TOKENS)

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        thought, scarce = Thought(prompt, run), self.scarce(run)
        try:
            if self.room(thought) == 0:
                await thought.skip_thinking(OPEN_TAG, NO_THOUGHT, FINAL_ANSWER)
            elif await self.thinks(thought):
                wanted = self.max_thinking is None or thought.tokens_used < self.max_thinking
                run.budget.is_short = scarce and wanted and self.room(thought) == 0
                thought.conclude(FINAL_ANSWER)
            elif thought.uses_tags:
                thought.append_close_tag()
            elif (outcome := await thought.build_outcome()).answer is not None:
                return outcome
            else:
                thought.conclude(FINAL_ANSWER)
            answer = await thought.decode(thought.tokens_left)
            run.budget.is_short |= scarce and answer.finish == "length"
        except SampleFailed:
            if not thought.completions:
                raise
        return await thought.build_outcome()

    def room(self, thought: Thought) -> int | None:
        """What thinking may still take: of its own allowance, and without what is kept for the answer."""
        left, own = thought.tokens_left, self.max_thinking
        kept = None if left is None else max(0, left - self.kept(thought))
        return smallest_limit(kept, None if own is None else max(0, own - thought.tokens_used))

    def scarce(self, run: Run) -> bool:
        """Whether the budget, and not max_tokens, is what will keep it from going on."""
        left, limit = run.budget.tokens_left, run.request.sampling.max_tokens
        return left is not None and (limit is None or left < limit)

    def kept(self, thought: Thought) -> int:
        return min(self.answer_tokens, max(1, ((thought.tokens_left or 0) + thought.tokens_used) // 2))

    async def thinks(self, thought: Thought) -> bool:
        """Whether it had to be ended."""
        waits, probed = self.waits, list[str | None]()
        while (room := self.room(thought)) != 0:
            made = await thought.think(room if self.early_exit == "none" else smallest_limit(room, self.probe_every))
            if made.finish == "stop":
                enough = self.min_thinking is not None and thought.tokens_used >= self.min_thinking
                if not waits or enough or self.room(thought) == 0:
                    return thought.uses_tags and made.stopped_by != CLOSE_TAG
                waits -= 1
                thought.append_text(WAIT if made.text.endswith("\n") else f"\n\n{WAIT}", thinking=True)
            elif self.early_exit != "none" and await self.knows(thought, probed):
                return True
        return True

    async def knows(self, thought: Thought, probed: list[str | None]) -> bool:
        """Whether the answer is clear already. A probe that is lost, or has no room, tells nothing."""
        spare = thought.run.budget.tokens_left
        if self.room(thought) == 0 or (spare is not None and spare - MAX_PROBE_TOKENS < self.kept(thought)):
            return False
        try:
            probe = await thought.run.generate(
                thought.prompt.prefill(PROBE), role="extraction", max_tokens=MAX_PROBE_TOKENS, greedy=True
            )
        except SampleFailed:
            return False
        probed.append(parse_probe_answer(probe.text))
        clear = probe_confidence(probe) > DEER_THRESHOLD if self.early_exit == "confidence" else is_stable(probed)
        return clear and thought.tokens_used >= (self.min_thinking or 0)
