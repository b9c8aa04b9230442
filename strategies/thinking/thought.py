"""The thinking and the answer of one completion: decoded and inserted text, and the remaining tokens."""

from dataclasses import dataclass, field, replace

from cogitate.strategies.core.best_so_far import join_prefix
from cogitate.strategies.core.budget import smallest_limit
from cogitate.strategies.core.joining import join_steps
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.thinking.tags import CLOSE_TAG


@dataclass(slots=True)
class Thought:
    """The text that was decoded and inserted so far. Decoding continues it by its exact token ids."""

    prompt: Prompt
    run: Run
    completions: list[Completion] = field(default_factory=list)
    uses_tags: bool = False
    """Whether the model separates thinking from the answer by tags."""
    is_reasoning_separate: bool = False
    """Whether the engine returns reasoning apart from the content."""
    pending_text: str = ""
    """Inserted text after the last completion."""
    answer_label: str = ""
    """The part of the inserted text that announces the answer; empty before `conclude`."""
    visible: bool = True
    """Whether its text is streamed to the client."""

    @property
    def token_count(self) -> int:
        """Tokens decoded so far."""
        return sum(completion.completion_tokens for completion in self.completions)

    @property
    def remaining_tokens(self) -> int | None:
        """Tokens that max_tokens and the budget leave; None for no limit."""
        limit = self.run.request.sampling.max_tokens
        return smallest_limit(None if limit is None else limit - self.token_count, self.run.budget.tokens_left)

    def resume(self, made: Completion) -> None:
        """Continue an unfinished decode of the prompt."""
        self.completions.append(join_prefix(made, self.prompt))
        self.prompt = made.continuation

    def append_text(self, text: str, *, thinking: bool = False) -> None:
        """Insert text; `thinking` marks it as reasoning where the engine separates it."""
        self.prompt = self.prompt.prefill(text)
        self.pending_text += text
        if self.visible:
            self.run.emit_text(text, reasoning=thinking and self.is_reasoning_separate)

    def append_tag(self, text: str) -> None:
        """Insert one of the model's tags. It is not visible where the engine separates reasoning."""
        self.prompt = self.prompt.prefill(text)
        self.pending_text += text
        if self.visible and not self.is_reasoning_separate:
            self.run.emit_text(text)

    def append_close_tag(self) -> None:
        """Insert the tag that ends the thought."""
        self.append_tag(CLOSE_TAG)

    def conclude(self, label: str) -> None:
        """End the thought and inserts the label that announces the answer."""
        if self.uses_tags:
            self.append_close_tag()
        self.append_text(f"\n\n{label}" if self.pending_text or self.completions else label)
        self.answer_label = label

    async def skip_thinking(self, opening: str, thought: str, label: str) -> None:
        """Insert a finished thought, where the model uses tags, and announce the answer.

        One token is decoded, and dropped, to see whether the model uses tags.
        """
        first = await self.probe_tags()
        if first and self.uses_tags:
            if not first.thinking or first.text.lstrip().startswith(opening):
                self.append_tag(f"{opening}\n")
            self.append_text(f"{thought}\n", thinking=True)
        self.conclude(label)

    async def probe_tags(self) -> Completion | None:
        """Decode and drop one token, to see whether the model uses tags; None where the budget has none to spare."""
        if self.run.budget.tokens_left is not None and self.run.budget.tokens_left <= 1:
            return None
        token = await self.run.generate(self.prompt, role="extraction", max_tokens=1, until=CLOSE_TAG)
        self._detect_tags(token)
        return token

    async def think(self, max_tokens: int | None) -> Completion:
        """Decode up to the end of the thought, or at most `max_tokens`."""
        completion = await self.decode(max_tokens, until=CLOSE_TAG)
        self._detect_tags(completion)
        return completion

    async def decode(self, max_tokens: int | None, until: str | None = None) -> Completion:
        """Decode at most `max_tokens` tokens, up to the tag `until`, and propose the result so far."""
        completion = await self.run.generate(
            self.prompt, role="step", visible=self.visible, max_tokens=max_tokens, until=until
        )
        self.prompt = completion.continuation
        self.completions.append(
            replace(completion, text=self.pending_text + completion.text, content=None, native=None)
        )
        self.pending_text = ""
        self.run.propose(Outcome(self.full_completion))
        return completion

    def _detect_tags(self, completion: Completion) -> None:
        self.uses_tags = self.uses_tags or completion.thinking or completion.stopped_by == CLOSE_TAG
        self.is_reasoning_separate = self.is_reasoning_separate or (
            completion.thinking and completion.content == "" and bool(completion.text)
        )

    @property
    def full_completion(self) -> Completion:
        """All completions and inserted text as one completion."""
        joined = join_steps(self.completions)
        return replace(joined, text=joined.text + self.pending_text) if self.pending_text else joined

    async def build_outcome(self) -> Outcome:
        """Read the answer from the text after the label; from the complete text where nothing follows the label."""
        last, joined = self.completions[-1], self.full_completion
        after_label = (
            last.text.rpartition(self.answer_label)[2] if self.answer_label and self.answer_label in last.text else ""
        )
        announced = replace(last, text=self.answer_label + after_label) if after_label.strip() else joined
        return Outcome(joined, await self.run.read(announced))
