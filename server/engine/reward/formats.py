"""What reward models were trained to read, and how a score is read off their logits: one record a family. No vLLM here.

In what a format writes, private-use characters, which no template has, stand for what is filled in: the question, a
step, a step's number, the token that begins a text, a cut at which tokenisation begins anew, and the places. A place
follows the token at which the model's opinion is read.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cogitate.strategies.core.types import Aggregation

QUESTION, BEGIN, CUT, PLACE = "\ue0000\ue001", "\ue002", "\ue003", "\ue004"
STEP = "\ue000step\ue001"
NUMBER = "\ue005"
LABEL = re.compile(r"Step \d{1,3}[:.]\s*")
MATHS = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardFormat:
    layout: Literal["turn", "turns", "text"]
    """The steps in one turn of the assistant's; each in a turn of the user's, with the verdict as the answer; or no
    conversation at all."""
    step: str
    """How a step is written: STEP, with what stands before and behind it."""
    verdict: str = ""
    """With `turns`: what the assistant says to each step."""
    opening: str = QUESTION
    """What is written before the steps."""
    system: str = ""
    separator: str = "\n\n"
    """What a solution is split at; nothing: it is one step."""
    source: Literal["tokens", "sequence", "vocabulary"] = "tokens"
    """Whose logits: those of the head at a token, of the head for the whole text, or of `labels` as the next token."""
    tag: str = ""
    """A control token that stands at every place and nowhere else: the engine hands back those rows alone."""
    labels: tuple[str, ...] = ()
    """Tokens that the model says its verdict by."""
    score: Literal["softmax", "sigmoid"]
    good: int = 0
    """The label whose probability is the score."""
    aggregation: Aggregation
    """What suits scores of its training."""

    def steps(self, text: str) -> list[str]:
        """A solution's steps, bare. Never an empty one: a separator at the end ends a step and begins none.

        Where the format numbers them, a number that a step has already is not written twice.
        """
        pieces = text.split(self.separator) if self.separator else [text]
        steps = [piece.strip() for piece in pieces if piece.strip()]
        return [step[found.end() :] if (found := self._numbered(step)) else step for step in steps]

    def turns(self, n: int) -> list[dict[str, str]]:
        """What the chat template is given for n steps. Not for a format that is text."""
        steps = self._steps(n)
        turns = [("system", self.system)] if self.system else []
        if self.layout == "turns":
            said = [f"{self.opening} {steps[0]}", *steps[1:]] if steps else []
            turns += [turn for step in said for turn in (("user", step), ("assistant", self.verdict))]
        else:
            turns += [("user", self.opening), ("assistant", "".join(steps))]
        return [{"role": role, "content": content} for role, content in turns]

    def text(self, n: int) -> str:
        """What a format without a conversation writes for n steps."""
        return self.opening + "".join(self._steps(n))

    def _steps(self, n: int) -> list[str]:
        return [self.step.replace(STEP, hole(at)).replace(NUMBER, str(at)) for at in range(1, n + 1)]

    def _numbered(self, step: str) -> re.Match[str] | None:
        found = LABEL.match(step) if NUMBER in self.step else None
        return found if found and found.end() < len(step) else None

    def scores(self, logits: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """The probability that each step is good, from its logits [steps][labels].

        None when any of them is not finite, or when there are more or fewer labels than the score is read from.
        """
        if not all(math.isfinite(logit) for labels in logits for logit in labels):
            return ()
        if self.score == "sigmoid":
            return tuple(sigmoid(labels[0]) for labels in logits) if all(len(row) == 1 for row in logits) else ()
        if not all(len(labels) > 1 for labels in logits):
            return ()
        return tuple(softmax(labels)[self.good] for labels in logits)


def hole(number: int) -> str:
    """Where text number n goes: the question is 0, the steps follow."""
    return f"\ue000{number}\ue001"


QWEN = RewardFormat(
    layout="turn",
    system=MATHS,
    step=f"{STEP}<extra_0>{PLACE}",
    tag="<extra_0>",
    score="softmax",
    good=1,
    aggregation="prod",
)
"""Qwen2.5-Math-PRM, by the usage on its model card; trained on whether each step is right (Zhang et al., 2025,
arXiv:2501.07301)."""

RLHFLOW = RewardFormat(
    layout="turns",
    step=STEP,
    verdict=f"{PLACE}+",
    source="vocabulary",
    labels=("+", "-"),
    score="softmax",
    aggregation="last",
)
"""RLHFlow's Llama3.1-8B-PRM, as their evaluation reads it: a dialogue in which the assistant says + to each step; the
question stands before the first step, and the model is read where it would say so."""

MATH_SHEPHERD = RewardFormat(
    layout="text",
    opening=f"{BEGIN}{QUESTION} ",
    step=f"Step {NUMBER}: {STEP} ки{PLACE}\n",
    source="vocabulary",
    labels=("+", "-"),
    score="softmax",
    aggregation="last",
)
"""Math-Shepherd, as its model card and its data write it: steps are numbered, and + or - would follow the tag behind
each one; trained on how often the step led to the answer (Wang et al., 2023, arXiv:2312.08935)."""

SKYWORK_PRM = RewardFormat(
    layout="text",
    opening=f"{BEGIN}{QUESTION}\n{CUT}",
    step=f"{STEP}{CUT}\n{PLACE}{CUT}",
    separator="\n",
    score="sigmoid",
    aggregation="mean",
)
"""Skywork-o1-Open-PRM: a value at the end of each line, which is tokenised by itself. `skywork.py` is its model."""

QWEN_RM = RewardFormat(layout="turn", system=MATHS, step=STEP, separator="", score="sigmoid", aggregation="last")
"""Qwen2.5-Math-RM: a value at the last token of the conversation (arXiv:2409.12122)."""

OUTCOME = RewardFormat(layout="turn", step=STEP, separator="", source="sequence", score="sigmoid", aggregation="last")
"""Any model with a head of one label over question and answer, such as Skywork-Reward: an outcome model. Its sigmoid is
the probability that the answer is preferred to one of value 0."""

FORMATS: Mapping[str, RewardFormat] = {
    "qwen": QWEN,
    "qwen_rm": QWEN_RM,
    "rlhflow": RLHFLOW,
    "math_shepherd": MATH_SHEPHERD,
    "skywork_prm": SKYWORK_PRM,
    "outcome": OUTCOME,
}
"""By the names that an operator may give."""
ARCHITECTURES: Mapping[str, RewardFormat] = {
    "Qwen2ForProcessRewardModel": QWEN,
    "Qwen2ForRewardModel": QWEN_RM,
    "Qwen2ForPrmModel": SKYWORK_PRM,
}
"""By what the model's config.json names. A model that is built like any other does not tell."""


def format_of(architectures: Collection[str]) -> RewardFormat:
    """Raises ValueError for a model that does not tell what it was trained to read."""
    for architecture in architectures:
        if architecture in ARCHITECTURES:
            return ARCHITECTURES[architecture]
        if architecture.endswith("ForSequenceClassification"):
            return OUTCOME
    known = ", ".join((*ARCHITECTURES, "...ForSequenceClassification"))
    names = ", ".join(architectures)
    raise ValueError(f"{names} does not say which reward model it is; known: {known}; or name a --reward-format")


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    weights = [math.exp(logit - top) for logit in logits]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
