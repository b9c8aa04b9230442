"""What a server's answer tells, checked: any server may be asked, and only what is used is read."""

from typing import Self

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.strategies.core.trace import Stopped


class Refused(CannotEvaluate):
    """Why there is no answer: the server's own words, or what is wrong with its answer."""


class TooLong(Refused):
    """The model's context does not hold what was asked."""


class Answered(BaseModel):
    """A whole answer."""

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Raises Refused."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise Refused(f"the server's answer is none: {where}: {first['msg']}") from None


class Reason(BaseModel):
    code: str | int | None = None


class Failure(BaseModel):
    """OpenAI's envelope of an error."""

    error: Reason

    @classmethod
    def code_of(cls, body: bytes) -> str | int | None:
        """None where it tells none."""
        try:
            return cls.model_validate_json(body).error.code
        except ValidationError:
            return None


class Model(BaseModel):
    id: str


class Models(Answered):
    data: list[Model] = Field(min_length=1)


class Alternative(BaseModel):
    logprob: float


class Token(BaseModel):
    logprob: float
    top_logprobs: list[Alternative] = []


class Logprobs(BaseModel):
    content: list[Token] | None = None


class Message(BaseModel):
    content: str | None = None


class Choice(BaseModel):
    message: Message
    finish_reason: str
    logprobs: Logprobs | None = None


class Spent(BaseModel):
    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt


class Candidate(BaseModel):
    """One of `cogitate.samples`."""

    text: str
    answer: str | None = None
    tokens: NonNegativeInt


class Found(BaseModel):
    """The `cogitate` object of an answer that a strategy found."""

    answer: str | None
    stopped: Stopped
    candidates: NonNegativeInt
    aborted_tokens: NonNegativeInt
    verifier_tokens: NonNegativeInt
    depth: NonNegativeInt = 0
    """Tokens decoded one after the other; 0 where the server does not tell."""
    samples: list[Candidate] = []


class Told(Answered):
    """A chat.completion."""

    choices: list[Choice] = Field(min_length=1)
    usage: Spent
    cogitate: Found | None = None

    @property
    def text(self) -> str:
        return self.choices[0].message.content or ""
