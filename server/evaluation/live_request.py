"""Builds the requests of a live run, as a client would send them."""

from dataclasses import dataclass
from typing import Any

from cogitate.server.evaluation.arms import Arm
from cogitate.server.evaluation.question import Question
from cogitate.strategies.core.prompts import BOXED
from cogitate.strategies.core.seeds import derive_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings:
    """What all requests of a run have in common. The fields are part of the results' digest."""

    model: str
    max_tokens: int
    """Limit per candidate."""
    instruction: str | None = None
    """Text that is appended to each question. None: a default for greedy, and the strategies' own."""
    temperature: float | None = None
    """None: the strategy's own."""
    top_p: float | None = None
    """None: the server's default."""
    seed: int = 0

    def greedy_instruction(self, question: Question) -> str:
        """Return what is appended to a question without a strategy. HumanEval's questions need no instruction."""
        default = "" if question.program else BOXED
        return default if self.instruction is None else self.instruction


def build_body(
    settings: RequestSettings, arm: Arm | None, question: Question, *, candidates: bool = False
) -> dict[str, Any]:
    """Build the body of a chat completion request; `arm` None asks for a greedy response without a strategy.

    Under a strategy the instruction is an option of the strategy. `candidates`: whether the response shall list all of
    its samples.
    """
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": question.messages("" if arm else settings.greedy_instruction(question)),
        "max_tokens": settings.max_tokens,
        "seed": derive_seed(settings.seed, sum(question.id.encode())),
        "cache": "no-store",
    }
    if arm is None:
        return body | {"temperature": 0.0}
    body["strategy"] = _strategy_options(settings, arm, question) | ({"return_candidates": True} if candidates else {})
    sampling = {"temperature": settings.temperature, "top_p": settings.top_p}
    return body | {name: value for name, value in sampling.items() if value is not None}


def _strategy_options(settings: RequestSettings, arm: Arm, question: Question) -> dict[str, Any]:
    """The arm's own options take precedence; the run's instruction fills in where the arm sets none."""
    own = arm.strategy.model_dump(mode="json", exclude_unset=True)
    instruction = "" if settings.instruction is None and question.program else settings.instruction
    return {"name": arm.strategy.name} | ({} if instruction is None else {"instruction": instruction}) | own
