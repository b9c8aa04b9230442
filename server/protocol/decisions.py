"""Request body of `POST /v1/decisions`: typed questions about an input.

The format is that of OpenAI's API (public beta; openai-python 3.57), and of vLLM 0.33 where that is narrower. This
server's own fields are `orders`, `repeats` and `cache`. What differs: images are inline, and a choice has at most 26
options, each under a letter, where OpenAI allows 255; vLLM 0.33 has the same limit.
"""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

import orjson
from pydantic import Field, Tag, field_validator, model_validator

from cogitate.server.protocol.decision_items import (
    AnyPart,
    InputString,
    Item,
    ShortText,
    check_calls,
    one_of,
    to_evidence,
    to_parts,
)
from cogitate.server.protocol.messages import RequestModel, reject
from cogitate.server.protocol.validation import contradiction
from cogitate.strategies.decisions.question import (
    MAX_OPTIONS,
    MAX_PERMUTED_OPTIONS,
    Option,
    OrderSet,
    Part,
    Question,
    count_orders,
)

MAX_QUESTIONS = 400
MAX_CHOICES = 255
"""OpenAI's limit; MAX_OPTIONS is this server's."""
MAX_REPEATS = 16
AVERAGED = "a decision is the mean over orders and repeats, and no search: omit it, and set orders or repeats"


class BaseQuestion(RequestModel):
    instructions: Annotated[list[AnyPart], Field(min_length=1, max_length=1024)] | ShortText
    name: ShortText | None = None

    @property
    @abstractmethod
    def options(self) -> tuple[Option, ...]:
        """What may be answered, as the model reads it."""

    def to_question(self) -> Question:
        instructions = tuple(to_parts(self.instructions))
        return Question(instructions, self.options, is_scale=isinstance(self, ScoreQuestion))


class PredicateQuestion(BaseQuestion):
    """How likely it is that a statement about the input is true."""

    type: Literal["predicate"]

    @property
    def options(self) -> tuple[Option, ...]:
        return (Option("false"), Option("true"))


class ChoiceOption(RequestModel):
    value: str | bool
    """A string and a boolean with the same text are distinct."""
    description: ShortText = ""

    @property
    def option(self) -> Option:
        return Option(orjson.dumps(self.value).decode(), self.description)


class ChoiceQuestion(BaseQuestion):
    """Which of the options fits the input."""

    type: Literal["choice"]
    choices: Annotated[list[ChoiceOption], Field(min_length=2, max_length=MAX_CHOICES)]

    @field_validator("choices")
    @classmethod
    def _check_choices(cls, choices: list[ChoiceOption]) -> list[ChoiceOption]:
        if len({(type(choice.value), choice.value) for choice in choices}) < len(choices):
            raise ValueError("the values must be distinct")
        if len(choices) > MAX_OPTIONS:
            raise ValueError(f"this server labels options by letters, so a question has at most {MAX_OPTIONS}")
        return choices

    @property
    def options(self) -> tuple[Option, ...]:
        return tuple(choice.option for choice in self.choices)


class ScoreLevel(RequestModel):
    label: ShortText
    description: ShortText = ""


class ScoreQuestion(BaseQuestion):
    """Where the input stands on a scale."""

    type: Literal["score"]
    levels: Annotated[list[ScoreLevel], Field(min_length=2, max_length=10)]
    """From the first to the last; a level's index is its value."""

    @property
    def options(self) -> tuple[Option, ...]:
        return tuple(Option(level.label, level.description) for level in self.levels)


AnyQuestion = Annotated[
    Annotated[PredicateQuestion, Tag("[predicate]")]
    | Annotated[ChoiceQuestion, Tag("[choice]")]
    | Annotated[ScoreQuestion, Tag("[score]")],
    one_of("predicate", "choice", "score"),
]


class PromptCacheOptions(RequestModel):
    """Accepted without effect: the engine caches every prefix by itself."""

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m"] | None = None


class DecisionRequest(RequestModel):
    model: Annotated[str, Field(max_length=512)]
    input: Annotated[list[Item], Field(min_length=1, max_length=131_072)] | InputString
    questions: Annotated[list[AnyQuestion], Field(min_length=1, max_length=MAX_QUESTIONS)]

    # OpenAI's bookkeeping: accepted, without effect on the answer
    safety_identifier: Annotated[str, Field(max_length=128)] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=512)] | None = None
    prompt_cache_options: PromptCacheOptions | None = None

    # vLLM's fields
    cache_salt: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Keeps the input's entries in the engine's prefix cache apart. A tenant's own salt takes its place."""
    joint: Annotated[None, reject("only diffusion models read several questions at once: omit it")] = None

    # this server's own fields
    orders: OrderSet = "balanced"
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 1
    """How often each order is asked. An engine that repeats its probabilities exactly needs one."""
    cache: Literal["default", "no-store", "refresh"] = "default"
    strategy: Annotated[None, reject(AVERAGED)] = None
    budget: Annotated[None, reject(AVERAGED)] = None

    # what every request has, and this one never
    stream: ClassVar[None] = None
    stream_options: ClassVar[None] = None
    n: ClassVar[int] = 1

    @field_validator("input")
    @classmethod
    def _check_calls(cls, source: str | list[Item]) -> str | list[Item]:
        if not isinstance(source, str):
            check_calls(source)
        return source

    @model_validator(mode="after")
    def _check_permutations(self) -> "DecisionRequest":
        most = max(len(question.options) for question in self.questions)
        if self.orders == "all" and most > MAX_PERMUTED_OPTIONS:
            reason = f"all is for questions of at most {MAX_PERMUTED_OPTIONS} options, and one has {most}"
            raise contradiction("orders", f"{reason}: use balanced")
        return self

    @property
    def evidence(self) -> list[Part]:
        """What the questions are about, as parts of text and images."""
        return to_evidence(self.input)

    @property
    def reads(self) -> int:
        """The number of prompts that are asked."""
        counts = (count_orders(len(question.options), self.orders) for question in self.questions)
        return self.repeats * sum(counts)
