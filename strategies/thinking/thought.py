"""A thought in the making: its pieces, our words between them, and what it may still spend."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cogitate.strategies.core.run import Run
from cogitate.strategies.core.seeds import least
from cogitate.strategies.core.types import Completion, Outcome, Prompt, joined

OPEN, CLOSE = "<think>", "</think>"


def within(ids: Sequence[int], opens: Sequence[int | None], closes: Sequence[int | None]) -> bool:
    """Whether the last of the model's tags among its tokens is the one that opens a thought."""
    return next((token in opens for token in reversed(ids) if token in opens or token in closes), False)


@dataclass(slots=True)
class Thought:
    """What was decoded and said so far, to be continued by its very tokens."""

    prompt: Prompt
    run: Run
    pieces: list[Completion] = field(default_factory=list)
    tagged: bool = False
    """The model tells its thoughts from its answer by tags."""
    hidden: bool = False
    """The engine keeps them apart: a thought is no content."""
    words: str = ""
    """Ours, behind the last piece."""
    label: str = ""
    """Of these, those that announce the answer."""

    @property
    def used(self) -> int:
        return sum(piece.completion_tokens for piece in self.pieces)

    @property
    def left(self) -> int | None:
        """What the client's limit and the budget leave."""
        limit = self.run.sampling.max_tokens
        return least(None if limit is None else limit - self.used, self.run.budget.left)

    def say(self, text: str, *, thinking: bool = False) -> None:
        self.prompt = self.prompt.say(text)
        self.words += text
        self.run.say(text, reasoning=thinking and self.hidden)

    def tag(self, text: str) -> None:
        """One of the model's tags. Where thoughts are kept apart nobody sees it."""
        self.prompt = self.prompt.say(text)
        self.words += text
        if not self.hidden:
            self.run.say(text)

    def close(self) -> None:
        self.tag(CLOSE)

    def conclude(self, label: str) -> None:
        """Ends the thought and announces the answer."""
        if self.tagged:
            self.close()
        self.say(f"\n\n{label}" if self.words or self.pieces else label)
        self.label = label

    async def skip(self, opening: str, thought: str, label: str) -> None:
        """Goes on to the answer at once, behind a thought that is over, where the model thinks in tags."""
        if self.run.budget.left is None or self.run.budget.left > 1:
            seen = await self.run.generate(self.prompt, role="step", max_tokens=1, until=CLOSE)
            self._see(seen)
            if self.tagged:
                if not seen.thinking or seen.text.lstrip().startswith(opening):
                    self.tag(f"{opening}\n")
                self.say(f"{thought}\n", thinking=True)
        self.conclude(label)

    async def think(self, most: int | None) -> Completion:
        """Up to the end of the thought, or of its allowance."""
        made = await self.grow(most, until=CLOSE)
        self._see(made)
        return made

    async def grow(self, most: int | None, until: str | None = None) -> Completion:
        made = await self.run.generate(self.prompt, role="step", visible=True, max_tokens=most, until=until)
        self.prompt = made.path
        self.pieces.append(replace(made, text=self.words + made.text, content=None, native=None))
        self.words = ""
        self.run.propose(Outcome(self.whole))
        return made

    def _see(self, made: Completion) -> None:
        self.tagged = self.tagged or made.thinking or made.stopped_by == CLOSE
        self.hidden = self.hidden or (made.thinking and made.content == "" and bool(made.text))

    @property
    def whole(self) -> Completion:
        """All of it as the single completion it spells."""
        whole = joined(self.pieces)
        return replace(whole, text=whole.text + self.words) if self.words else whole

    async def outcome(self) -> Outcome:
        """Of an answer that was announced, what follows the announcement counts; where nothing does, the whole."""
        last, whole = self.pieces[-1], self.whole
        said = last.text.rpartition(self.label)[2] if self.label and self.label in last.text else ""
        announced = replace(last, text=self.label + said) if said.strip() else whole
        return Outcome(whole, await self.run.read(announced))
