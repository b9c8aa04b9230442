"""What a live run asks of a server: the request as a client would send it."""

from dataclasses import dataclass
from typing import Any

from cogitate.server.evaluation.arms import Arm
from cogitate.server.evaluation.question import Question
from cogitate.strategies.core.prompts import BOXED
from cogitate.strategies.core.seeds import derived_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What every request of a run shares."""

    model: str
    max_tokens: int
    instruction: str | None = None
    """Behind each question; None: what suits a plain question, and the strategies' own."""
    temperature: float | None = None
    top_p: float | None = None
    seed: int = 0

    def plain(self, question: Question) -> str:
        """What is put behind a question that no strategy answers. One that wants a program says so itself."""
        unsaid = "" if question.program else BOXED
        return unsaid if self.instruction is None else self.instruction


def body(asking: Asking, arm: Arm | None, question: Question, *, candidates: bool = False) -> dict[str, Any]:
    """Under a strategy the instruction is the strategy's own option. `candidates`: it is to tell them all."""
    said: dict[str, Any] = {
        "model": asking.model,
        "messages": question.turns("" if arm else asking.plain(question)),
        "max_tokens": asking.max_tokens,
        "seed": derived_seed(asking.seed, sum(question.id.encode())),
        "cache": "no-store",
    }
    if arm is None:
        return said | {"temperature": 0.0}
    said["strategy"] = options(asking, arm, question) | ({"return_candidates": True} if candidates else {})
    sampled = {"temperature": asking.temperature, "top_p": asking.top_p}
    return said | {name: value for name, value in sampled.items() if value is not None}


def options(asking: Asking, arm: Arm, question: Question) -> dict[str, Any]:
    """Its own stand; an instruction that it lacks is the run's, if one was given."""
    own = arm.strategy.model_dump(mode="json", exclude_unset=True)
    said = "" if asking.instruction is None and question.program else asking.instruction
    return {"name": arm.strategy.name} | ({} if said is None else {"instruction": said}) | own
