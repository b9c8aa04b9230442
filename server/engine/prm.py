"""What process reward models were trained to read, and how the scores of the steps are read off them. No vLLM here.

The model's chat template is rendered once, over two holes. To read a solution the holes are filled, the control tokens
that the template and the format wrote become ids, and all that stands between two of them is tokenised as plain text.
For text without control tokens these are the very ids of the whole conversation tokenised at once, since tokenisers
split at control tokens first; text that spells one stays text, and can neither end a turn nor make a step.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

QUESTION = "\ue000question\ue001"
SOLUTION = "\ue000solution\ue001"
HOLE = re.compile("\ue000(\\d+)\ue001")
"""Where text number n goes: the question is 0, the steps follow. Private-use characters, which no template writes."""


@dataclass(frozen=True, slots=True)
class PrmFormat:
    """A conversation in which the assistant writes a tag after each step, and the model judges the step at its tag.

    Other families (Math-Shepherd's tag in plain text, RLHFlow's + and - turns) are other values, or other types, of it.
    """

    system: str
    tag: str
    separator: str = "\n\n"
    good: int = 1
    """The label whose probability is the score."""

    def steps(self, text: str) -> list[str]:
        """A solution's steps, bare. Never an empty one: a separator at the end ends a step and begins none."""
        return [step.strip() for step in text.split(self.separator) if step.strip()]

    def turns(self) -> list[dict[str, str]]:
        """What the chat template is given."""
        turns = {"system": self.system, "user": QUESTION, "assistant": SOLUTION}
        return [{"role": role, "content": content} for role, content in turns.items()]

    def scores(self, logits: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """The probability that each step is good, from its logits [steps][labels]; none when any is not finite."""
        if not all(math.isfinite(logit) for labels in logits for logit in labels):
            return ()
        return tuple(softmax(labels)[self.good] for labels in logits)


QWEN = PrmFormat(
    system="Please reason step by step, and put your final answer within \\boxed{}.",
    tag="<extra_0>",
)
"""Qwen2.5-Math-PRM, by the usage on its model card; Zhang et al., 2025, arXiv:2501.07301."""

FORMATS: Mapping[str, PrmFormat] = {"Qwen2ForProcessRewardModel": QWEN}
"""By the architecture that the model's config.json names."""


def format_of(architectures: Collection[str]) -> PrmFormat:
    """Raises ValueError for a model that is not a process reward model we know how to ask."""
    for architecture in architectures:
        if architecture in FORMATS:
            return FORMATS[architecture]
    raise ValueError(f"{', '.join(architectures)} is not a process reward model we know; known: {', '.join(FORMATS)}")


def softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    weights = [math.exp(logit - top) for logit in logits]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


@dataclass(frozen=True, slots=True)
class Reader:
    """Writes a question and the steps of a solution as the token ids that the model reads."""

    format: PrmFormat
    scaffold: str
    """The chat template rendered over `format.turns()`."""
    control: Mapping[str, int]
    """The id of every token that text must not be able to spell."""
    plain: Callable[[str], list[int]]
    """Tokenises text, knowing nothing of control tokens."""

    def __post_init__(self) -> None:
        if self.format.tag not in self.control:
            raise ValueError(f"The tokeniser of the reward model has no token {self.format.tag}")
        if self.scaffold.count(QUESTION) != 1 or self.scaffold.count(SOLUTION) != 1:
            raise ValueError("The chat template of the reward model does not write each message once, as it is")

    @property
    def tag(self) -> int:
        return self.control[self.format.tag]

    def ids(self, question: str, steps: Sequence[str]) -> list[int]:
        """The tag's id stands in it len(steps) times, after each step."""
        texts = (question, *steps)
        said = "".join(f"\ue000{n}\ue001{self.format.tag}" for n in range(1, len(texts)))
        written = self.scaffold.replace(QUESTION, "\ue0000\ue001").replace(SOLUTION, said)
        ids: list[int] = []
        for piece in self._split(written):
            if piece in self.control:
                ids.append(self.control[piece])
            else:
                ids += self.plain(HOLE.sub(lambda hole: texts[int(hole[1])], piece))
        return ids

    def _split(self, written: str) -> list[str]:
        """Control tokens and what stands between them, the longest first where one begins another."""
        longest_first = sorted(self.control, key=len, reverse=True)
        return [piece for piece in re.split(f"({'|'.join(map(re.escape, longest_first))})", written) if piece]
