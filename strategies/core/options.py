"""The base class of strategies, with the options that all share."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from cogitate.strategies.answers import AnswerFormat
from cogitate.strategies.core.ports import Ability, Verifier
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import INSTRUCTIONS
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome


class Options(BaseModel):
    """A strategy: a frozen value of its options, which is also the request schema, and the coroutine `solve`.

    The class's docstring is its summary in `GET /v1/strategies` and in the README.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    paper: ClassVar[str]
    """The arXiv id, as `arXiv:2203.11171`."""
    when: ClassVar[str]
    """When to use it, in a few words."""
    when_not: ClassVar[str]
    """When not to use it."""
    cost_note: ClassVar[str]
    """Its cost in answers, each of at most max_tokens; `cost()` gives the bound in tokens."""
    temperature: ClassVar[float] = 0.7
    """The sampling temperature of its paper, where the client sets none."""
    stepwise: ClassVar[bool] = False
    """Whether its answers are joined from steps, each a decode of its own."""
    why_one_model: ClassVar[str] = "its decodes continue or revise one text, which is one model's"
    """Why it takes no options that name other models, where it takes none."""
    draws_samples: ClassVar[bool] = False
    """Whether it draws independent samples of one prompt (`Run.race`), from which a later request may go on."""
    version: ClassVar[int] = 1
    """Increased when the same request may be answered differently: answers cached by older versions are not used."""

    if TYPE_CHECKING:
        name: str
        """Its name in requests: each strategy declares it as a Literal with a default."""

    answer_format: AnswerFormat = Field(default="auto", description="How a candidate's answer is read and compared.")
    instruction: str | None = Field(
        default=None,
        max_length=2000,
        description="Appended to the last user message. null: a default that fits `answer_format` or the verifier; "
        "empty: nothing.",
    )
    reasoning: Literal["inline", "separate", "hidden"] = Field(
        default="inline",
        description="Where reasoning is returned: in the content, in `reasoning_content`, or not at all.",
    )
    vote_on: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = Field(
        default=(),
        max_length=64,
        strict=False,
        description="Fields of a JSON answer or of a tool call's arguments that are compared, `a.b` for a nested one; "
        "empty: all.",
    )
    return_candidates: bool = Field(
        default=False, description="Adds `cogitate.samples`: every candidate with its answer and score."
    )

    @abstractmethod
    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        """Return the outcome for a prompt.

        Calls `run.propose` with the best outcome so far, which is served if the budget ends. Raises SampleFailed where
        no answer could be decoded.
        """

    @abstractmethod
    def cost(self, max_tokens: int) -> int:
        """Return the most tokens it may decode when one answer has at most `max_tokens`."""

    def spare_cost(self, max_tokens: int) -> int:
        """Return the tokens beyond `cost()` that it can use to be faster, where nothing else limits it."""
        return 0

    def instruct(self, prompt: Prompt) -> Prompt:
        """Return the prompt to solve: the client's, with the strategy's instruction."""
        return prompt.instruct(INSTRUCTIONS[self.answer_format] if self.instruction is None else self.instruction)

    @property
    def verifiers(self) -> tuple[str, ...]:
        """The names of the verifiers that it may call."""
        return ()

    @property
    def candidates(self) -> int:
        """The number of ranked answers that it can give."""
        return 1

    @property
    def in_flight(self) -> int:
        """The most decodes that it has in flight at once."""
        return self.candidates

    @property
    def min_candidates(self) -> int:
        """The fewest candidates that it can work with."""
        return 1

    @property
    def other_models(self) -> Mapping[str, tuple[str, ...]]:
        """The models that it names, by the option that names them; none: the request's own does all."""
        return {}

    @property
    def single(self) -> Mapping[str, object]:
        """The options with which it decodes one candidate, for a temperature at which its candidates are copies.

        Empty where it has one, or where each of its decodes continues or revises another.
        """
        return {}

    @property
    def logprobs(self) -> int | None:
        """The alternatives per token that it reads, where the engine reports them; None: it reads none."""
        return None

    @property
    def program_runs(self) -> int:
        """The most programs that it runs in the sandbox."""
        return 0

    def build_verifiers(self, served: Mapping[str, Verifier], programs: Programs) -> Mapping[str, Verifier]:
        """Return the verifiers it may call, by name: the served ones, and those built from its own options."""
        return served

    @property
    def compares(self) -> bool:
        """Whether its verifier gets all candidates at once, and may judge them side by side."""
        return False

    @property
    def needs(self) -> frozenset[Ability]:
        """The abilities that it needs of the engine."""
        return frozenset()
