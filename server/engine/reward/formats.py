"""Prompt formats of reward-model families, and how a score is read from their logits: one record per family. No vLLM.

A format's strings contain private-use characters, which no chat template has, as slots and marks: the question, a
step, a step's number, the beginning-of-text token, a boundary at which tokenization starts anew, and the score mark,
which follows the token at which the model's score is read.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cogitate.strategies.core.types import Aggregation

QUESTION, BOS, BOUNDARY, SCORE_MARK = "\ue0000\ue001", "\ue002", "\ue003", "\ue004"
STEP = "\ue000step\ue001"
NUMBER = "\ue005"
EMPTY_LINE = re.compile(r"\n[ \t]*\n")
NEXT_STEP = re.compile(r"\n(?=[ \t*#]*Step \d{1,3}\b)")
STEP_LABEL = re.compile(r"Step \d{1,3}[:.]\s*")
MATH_SYSTEM_PROMPT = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardFormat:
    """The prompt of a model family, and the reading of its logits."""

    layout: Literal["turn", "turns", "text"]
    """All steps in one assistant turn; each step in a user turn, answered by the verdict; or plain text."""
    step: str
    """A step's text, with STEP as its slot."""
    verdict: str = ""
    """With `turns`: the assistant's reply to each step."""
    preamble: str = QUESTION
    """Text before the steps."""
    system: str = ""
    separator: str = "\n\n"
    """Splits a solution into steps: at empty lines, or at each line; empty: the solution is one step."""
    source: Literal["tokens", "sequence", "vocabulary"] = "tokens"
    """Which logits are read: the head's at each score position, the head's for the entire text, or those of `labels` as
    the next token."""
    tag: str = ""
    """A control token at every score position and nowhere else: the engine returns the rows of these tokens only."""
    labels: tuple[str, ...] = ()
    """Tokens that state the model's verdict."""
    score: Literal["softmax", "sigmoid", "softsign"]
    """How a logit becomes a score in [0, 1]. `softsign`: of an unbounded reward, so that its order is preserved."""
    positive_label: int = 0
    """Index of the label whose probability is the score."""
    aggregation: Aggregation
    """The aggregation of step scores that suits the model's training."""

    def split_steps(self, text: str) -> list[str]:
        """Split a solution into steps, none of them empty: a trailing separator ends a step and begins none.

        A line with blanks alone is empty. Where there is no empty line, each line that begins `Step 1:` is a step.
        Where the format numbers steps, a number that a step already has is removed.
        """
        steps = [chunk.strip() for chunk in self._split(text.replace("\r\n", "\n")) if chunk.strip()]
        return [step[match.end() :] if (match := self._match_label(step)) else step for step in steps]

    def _split(self, text: str) -> list[str]:
        if not self.separator:
            return [text]
        if self.separator == "\n":
            return text.split("\n")
        chunks = EMPTY_LINE.split(text.strip())
        return chunks if len(chunks) > 1 else NEXT_STEP.split(text)

    def build_turns(self, n: int) -> list[dict[str, str]]:
        """Return the chat messages for n steps, with slots. Not for the layout `text`."""
        steps = self._build_steps(n)
        turns = [("system", self.system)] if self.system else []
        if self.layout == "turns":
            user_turns = [f"{self.preamble} {steps[0]}", *steps[1:]] if steps else []
            turns += [turn for step in user_turns for turn in (("user", step), ("assistant", self.verdict))]
        else:
            turns += [("user", self.preamble), ("assistant", "".join(steps))]
        return [{"role": role, "content": content} for role, content in turns]

    def build_text(self, n: int) -> str:
        """Return the prompt of layout `text` for n steps, with slots."""
        return self.preamble + "".join(self._build_steps(n))

    def _build_steps(self, n: int) -> list[str]:
        return [self.step.replace(STEP, slot(at)).replace(NUMBER, str(at)) for at in range(1, n + 1)]

    def _match_label(self, step: str) -> re.Match[str] | None:
        match = STEP_LABEL.match(step) if NUMBER in self.step else None
        return match if match and match.end() < len(step) else None

    def to_scores(self, logits: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """Return the score of each step, from its logits [steps][labels]: the probability that it is good, or a reward.

        Empty where a logit is not finite, or where the number of labels is not the one that the score is read from.
        """
        if not all(math.isfinite(logit) for labels in logits for logit in labels):
            return ()
        if self.score != "softmax":
            squash = sigmoid if self.score == "sigmoid" else softsign
            return tuple(squash(labels[0]) for labels in logits) if all(len(row) == 1 for row in logits) else ()
        if not all(len(labels) > 1 for labels in logits):
            return ()
        return tuple(softmax(labels)[self.positive_label] for labels in logits)


def slot(number: int) -> str:
    """Return the slot of text `number`: 0 is the question, steps follow from 1."""
    return f"\ue000{number}\ue001"


QWEN = RewardFormat(
    layout="turn",
    system=MATH_SYSTEM_PROMPT,
    step=f"{STEP}<extra_0>{SCORE_MARK}",
    tag="<extra_0>",
    score="softmax",
    positive_label=1,
    aggregation="prod",
)
"""Qwen2.5-Math-PRM, as used on its model card; trained on whether each step is right (Zhang et al., 2025,
arXiv:2501.07301)."""

RLHFLOW = RewardFormat(
    layout="turns",
    step=STEP,
    verdict=f"{SCORE_MARK}+",
    source="vocabulary",
    labels=("+", "-"),
    score="softmax",
    aggregation="last",
)
"""RLHFlow's Llama3.1-8B-PRM, as their evaluation reads it: a dialogue in which the assistant replies + to each step.
The question precedes the first step, and the score is read where the reply would begin."""

MATH_SHEPHERD = RewardFormat(
    layout="text",
    preamble=f"{BOS}{QUESTION} ",
    step=f"Step {NUMBER}: {STEP} ки{SCORE_MARK}\n",
    separator="\n",
    source="vocabulary",
    labels=("+", "-"),
    score="softmax",
    aggregation="last",
)
"""Math-Shepherd, as in its model card and its data: one numbered step a line, and + or - would follow the tag after
each; trained on how often the step led to the answer (Wang et al., 2023, arXiv:2312.08935)."""

SKYWORK_PRM = RewardFormat(
    layout="text",
    preamble=f"{BOS}{QUESTION}\n{BOUNDARY}",
    step=f"{STEP}{BOUNDARY}\n{SCORE_MARK}{BOUNDARY}",
    separator="\n",
    score="sigmoid",
    aggregation="mean",
)
"""Skywork-o1-Open-PRM: a value at the end of each line, which is tokenized by itself. Its model class: `skywork.py`."""

QWEN_RM = RewardFormat(
    layout="turn", system=MATH_SYSTEM_PROMPT, step=STEP, separator="", score="softsign", aggregation="last"
)
"""Qwen2.5-Math-RM: a value at the last token of the conversation (arXiv:2409.12122)."""

OUTCOME = RewardFormat(layout="turn", step=STEP, separator="", source="sequence", score="softsign", aggregation="last")
"""Any model with a head of one label over question and answer, such as Skywork-Reward: an outcome model. Its rewards
are unbounded and mean something only beside those of other answers to the same question, so they are compared as they
come: `softsign` preserves their order, where the sigmoid of any reward above 36 is 1."""

GENERATIVE = "generative"
"""The value of --reward-format for a chat model that writes its verdict: no logits of a head, see `generative.py`."""
FORMATS: Mapping[str, RewardFormat] = {
    "qwen": QWEN,
    "qwen_rm": QWEN_RM,
    "rlhflow": RLHFLOW,
    "math_shepherd": MATH_SHEPHERD,
    "skywork_prm": SKYWORK_PRM,
    "outcome": OUTCOME,
}
"""By the other values of --reward-format."""
ARCHITECTURES: Mapping[str, RewardFormat] = {
    "Qwen2ForProcessRewardModel": QWEN,
    "Qwen2ForRewardModel": QWEN_RM,
    "Qwen2ForPrmModel": SKYWORK_PRM,
}
"""By the architecture in the model's config.json. Models with an ordinary architecture cannot be recognized by it."""


def find_format(architectures: Collection[str]) -> RewardFormat:
    """Return the format of an architecture. Raises ValueError where the architecture does not determine one."""
    for architecture in architectures:
        if architecture in ARCHITECTURES:
            return ARCHITECTURES[architecture]
        if architecture.endswith("ForSequenceClassification"):
            return OUTCOME
    known = ", ".join((*ARCHITECTURES, "...ForSequenceClassification"))
    names = ", ".join(architectures)
    raise ValueError(
        f"the architecture {names} does not determine the reward model's format (known: {known}); set --reward-format"
    )


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def softsign(reward: float) -> float:
    """Map an unbounded reward to (0, 1), 0 to 1/2. Increasing; rewards that differ by 1 differ up to 10 million."""
    return 0.5 + 0.5 * reward / (1 + abs(reward))


def softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    weights = [math.exp(logit - top) for logit in logits]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
