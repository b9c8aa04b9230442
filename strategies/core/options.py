"""The options that every strategy shares."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from cogitate.strategies.answers import AnswerFormat
from cogitate.strategies.core.ports import Ability, Verifier
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.prompts import INSTRUCTIONS
from cogitate.strategies.core.types import Prompt


class Options(BaseModel):
    """A strategy's parameters: a frozen value, and the request schema at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    temperature: ClassVar[float] = 0.7
    stepwise: ClassVar[bool] = False
    """Its answers are put together from steps, each a decode of its own."""
    version: ClassVar[int] = 1
    """Raised when the same request may be answered differently: cached answers of older versions are not used."""
    paper: ClassVar[str]

    answer_format: AnswerFormat = Field(default="auto", description="How a candidate's answer is read and compared")
    instruction: str | None = Field(
        default=None,
        max_length=2000,
        description="Appended to the last user message. null: a default that fits answer_format, or what the verifier "
        "checks; empty: nothing",
    )
    reasoning: Literal["inline", "separate", "hidden"] = Field(
        default="inline", description="Where the reasoning goes: in the content, in reasoning_content, or nowhere"
    )
    vote_on: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = Field(
        default=(),
        max_length=64,
        strict=False,
        description="Fields of a JSON answer or of a tool's arguments that are compared, a.b for one within another; "
        "empty: all",
    )
    return_candidates: bool = Field(default=False, description="Adds cogitate.samples: every candidate and its score")

    def instruct(self, prompt: Prompt) -> Prompt:
        """The prompt it wants solved: the client's, with its instruction."""
        return prompt.instruct(INSTRUCTIONS[self.answer_format] if self.instruction is None else self.instruction)

    @property
    def verifiers(self) -> tuple[str, ...]:
        """The verifiers it may call, to be known before it starts."""
        return ()

    @property
    def candidates(self) -> int:
        """How many answers it can give, ranked."""
        return 1

    @property
    def in_flight(self) -> int:
        """The most decodes that it has in flight at once."""
        return self.candidates

    @property
    def min_candidates(self) -> int:
        """The fewest candidates it can work with."""
        return 1

    @property
    def logprobs(self) -> int | None:
        """The alternatives per token that it reads, where the engine reports any; None: none."""
        return None

    @property
    def program_runs(self) -> int:
        """The most programs that it has run, in a sandbox; 0: none."""
        return 0

    def build_verifiers(self, served: Mapping[str, Verifier], programs: Programs) -> Mapping[str, Verifier]:
        """The verifiers it may call by name: those that are served, and those made of its own options."""
        return served

    @property
    def compares(self) -> bool:
        """Its verifier is given all candidates at once, and may judge them side by side."""
        return False

    @property
    def needs(self) -> frozenset[Ability]:
        """What it asks of the engine."""
        return frozenset()
