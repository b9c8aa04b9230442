"""Budget forcing: thinking that ends too early continues after "Wait", and thinking that goes on too long is ended.

s1, Muennighoff et al., 2025, arXiv:2501.19393; max_thinking 0 is NoThinking (Ma et al., 2025, arXiv:2504.09858). For a
model without tags the chain is the thinking, and the end of its turn the end of thinking.

Deviations: the limit applies to all thinking, not to each part of it; max_tokens limits thinking and answer together,
of which at most half is reserved for the answer; NoThinking decodes and drops one token to see whether the model thinks
in tags.
"""

from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.budget import smallest_limit
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.ports import Ability, SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import FINAL_ANSWER, NO_THOUGHT, WAIT
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
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
    """Think for at least, and at most, a number of tokens, then answer; or do not think at all."""

    temperature: ClassVar[float] = 0.0
    stepwise: ClassVar[bool] = True
    paper: ClassVar[str] = "arXiv:2501.19393"
    when: ClassVar[str] = "a model that thinks too little, or too long"
    when_not: ClassVar[str] = (
        "a model that does not think in tags; more thinking than the model was trained for, which repeats itself"
    )
    cost_note: ClassVar[str] = "1 answer, of at most max_tokens with its thinking; 20 tokens a probe"
    version: ClassVar[int] = 2

    name: Literal["budget_forcing"] = "budget_forcing"
    max_thinking: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Maximum tokens of thinking in all. null: what max_tokens leaves; 0: no thinking.",
    )
    min_thinking: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Thinking that ends before this many tokens ends early. null: every end is early.",
    )
    waits: int = Field(default=1, ge=0, le=16, description='How many early ends are replaced by "Wait".')
    answer_tokens: int = Field(
        default=256, ge=1, le=65_536, description="Tokens reserved for the answer, at most half of max_tokens."
    )
    early_exit: Literal["none", "confidence", "probes"] = Field(
        default="none",
        description="Ends thinking early. `confidence`: once a probe's answer is confident (DEER); `probes`: once the "
        "last three probes agree (Dynasor).",
    )
    probe_every: int = Field(default=64, ge=8, le=4096, description="Tokens of thinking between probes.")

    @property
    def needs(self) -> frozenset[Ability]:
        return frozenset({"continue", "logprobs"} if self.early_exit == "confidence" else {"continue"})

    @property
    def logprobs(self) -> int | None:
        return 0 if self.early_exit == "confidence" else None

    def cost(self, max_tokens: int) -> int:
        """Thinking and answer, the token that shows how the model thinks, and the probes."""
        thinking = min(max_tokens, max_tokens if self.max_thinking is None else self.max_thinking)
        probes = 0 if self.early_exit == "none" else thinking // self.probe_every
        return max_tokens + 1 + probes * min(max_tokens, MAX_PROBE_TOKENS)

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        thought, budget_binds = Thought(prompt, run), self.is_bound_by_budget(run)
        try:
            if self.remaining_thinking(thought) == 0:
                await thought.skip_thinking(OPEN_TAG, NO_THOUGHT, FINAL_ANSWER)
            elif await self.think(thought):
                wanted_more = self.max_thinking is None or thought.token_count < self.max_thinking
                run.budget.is_short = budget_binds and wanted_more and self.remaining_thinking(thought) == 0
                thought.conclude(FINAL_ANSWER)
            elif thought.uses_tags:
                thought.append_close_tag()
            elif (outcome := await thought.build_outcome()).answer is not None:
                return outcome
            else:
                thought.conclude(FINAL_ANSWER)
            answer = await thought.decode(thought.remaining_tokens)
            run.budget.is_short |= budget_binds and answer.finish == "length"
        except SampleFailed:
            if not thought.completions:
                raise
        return await thought.build_outcome()

    async def think(self, thought: Thought) -> bool:
        """Decode the thinking. Returns whether it was cut off, rather than ended by the model."""
        waits, probed = self.waits, list[str | None]()
        while (left := self.remaining_thinking(thought)) != 0:
            step = await thought.think(left if self.early_exit == "none" else smallest_limit(left, self.probe_every))
            if step.finish == "stop":
                enough = self.min_thinking is not None and thought.token_count >= self.min_thinking
                if not waits or enough or self.remaining_thinking(thought) == 0:
                    return thought.uses_tags and step.stopped_by != CLOSE_TAG
                waits -= 1
                thought.append_text(WAIT if step.text.endswith("\n") else f"\n\n{WAIT}", thinking=True)
            elif self.early_exit != "none" and await self.probe(thought, probed):
                return True
        return True

    async def probe(self, thought: Thought, probed: list[str | None]) -> bool:
        """Ask for the answer so far, and return whether thinking may end. A lost probe, or one without room, is no."""
        spare = thought.run.budget.tokens_left
        no_room = spare is not None and spare - MAX_PROBE_TOKENS < self.answer_reserve(thought)
        if self.remaining_thinking(thought) == 0 or no_room:
            return False
        try:
            probe = await thought.run.generate(
                thought.prompt.prefill(PROBE), role="extraction", max_tokens=MAX_PROBE_TOKENS, greedy=True
            )
        except SampleFailed:
            return False
        probed.append(parse_probe_answer(probe.text))
        by_confidence = self.early_exit == "confidence"
        clear = probe_confidence(probe) > DEER_THRESHOLD if by_confidence else is_stable(probed)
        return clear and thought.token_count >= (self.min_thinking or 0)

    def remaining_thinking(self, thought: Thought) -> int | None:
        """Return the tokens that thinking may still take: of its own limit, and without those of the answer."""
        left, own = thought.remaining_tokens, self.max_thinking
        unreserved = None if left is None else max(0, left - self.answer_reserve(thought))
        return smallest_limit(unreserved, None if own is None else max(0, own - thought.token_count))

    def answer_reserve(self, thought: Thought) -> int:
        """Return the tokens reserved for the answer."""
        return min(self.answer_tokens, max(1, ((thought.remaining_tokens or 0) + thought.token_count) // 2))

    def is_bound_by_budget(self, run: Run) -> bool:
        """Return whether the budget, and not max_tokens, is the smaller limit."""
        left, limit = run.budget.tokens_left, run.request.sampling.max_tokens
        return left is not None and (limit is None or left < limit)
