"""Tokenizes a question and a solution for a reward model, and finds the positions at which scores are read. No vLLM.

The model's chat template is rendered once for each number of steps, with slots in place of the texts. For a solution
the slots are filled, the control tokens that the template and the format wrote become ids, and the text between two
control tokens is tokenized as plain text. For text without control tokens the ids are those of the entire text
tokenized at once, since tokenizers split at control tokens first. Text that spells a control token stays text: it can
neither end a turn nor add a step.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cogitate.server.engine.reward.formats import BOS, BOUNDARY, SCORE_MARK, RewardFormat, slot

SLOT = re.compile(f"\ue000(\\d+)\ue001|{SCORE_MARK}")

Encode = Callable[[str], Sequence[tuple[int, int]]]
"""Tokenizes text without regard to control tokens: each token's id, and the offset of the character after it."""


@dataclass(frozen=True, slots=True)
class TokenizedSolution:
    """The model's input, and the index of the token at which each step's score is read."""

    ids: list[int]
    score_positions: list[int]


@dataclass(frozen=True, slots=True)
class RewardTokenizer:
    """A tokenizer for one format. Raises ValueError where the model's tokenizer does not fit the format."""

    format: RewardFormat
    render: Callable[[list[dict[str, str]]], str]
    """The model's chat template."""
    control_tokens: Mapping[str, int]
    """The id of every token that text must not be able to spell."""
    encode: Encode
    bos_token: str = ""
    _templates: dict[int, str] = field(default_factory=dict)
    """By number of steps."""

    def __post_init__(self) -> None:
        if self.format.tag and self.format.tag not in self.control_tokens:
            raise ValueError(f"The tokenizer of the reward model has no token {self.format.tag}")
        template = self.render_template(2)
        if any(template.count(slot(number)) != 1 for number in range(3)):
            raise ValueError("The chat template of the reward model does not contain each message once and unchanged")
        if self.format.labels and not all(map(self.encode, self.format.labels)):
            raise ValueError("The tokenizer of the reward model has no tokens for its labels")
        if SCORE_MARK in template and len(self.tokenize("1 + 1?", ["2.", "Two."]).score_positions) < 2:
            raise ValueError("The tokenizer of the reward model ends no token where its format reads a score")

    @property
    def tag_id(self) -> int | None:
        return self.control_tokens[self.format.tag] if self.format.tag else None

    @property
    def label_ids(self) -> list[int]:
        """The last token of each label, as in the models' own code."""
        return [self.encode(label)[-1][0] for label in self.format.labels]

    def render_template(self, n: int) -> str:
        """Render a prompt of n steps, with slots in place of the question and the steps."""
        if n not in self._templates:
            is_chat = self.format.layout != "text"
            rendered = self.render(self.format.build_turns(n)) if is_chat else self.format.build_text(n)
            self._templates[n] = rendered.replace(BOS, self.bos_token)
        return self._templates[n]

    def tokenize(self, question: str, steps: Sequence[str]) -> TokenizedSolution:
        """Tokenize a question and steps.

        The score of a format without score marks is read at the last token. A mark where no token ends has no position.
        """
        ids, positions = list[int](), list[int]()
        template = self.render_template(len(steps))
        for chunk in self._split(template):
            if chunk in self.control_tokens:
                ids.append(self.control_tokens[chunk])
                continue
            text, marks = fill_slots(chunk, (question, *steps))
            tokens = self.encode(text)
            ends = {end: at for at, (_, end) in enumerate(tokens)} | {0: -1}
            positions += [len(ids) + ends[mark] for mark in marks if mark in ends]
            ids += [token for token, _ in tokens]
        return TokenizedSolution(ids, positions if SCORE_MARK in template else [len(ids) - 1])

    def _split(self, template: str) -> Iterator[str]:
        """Split at boundaries and control tokens, which are chunks of their own; the longest match first."""
        longest_first = sorted(self.control_tokens, key=len, reverse=True)
        pattern = "|".join(map(re.escape, (*longest_first, BOUNDARY)))
        return (chunk for chunk in re.split(f"({pattern})", template) if chunk and chunk != BOUNDARY)


def fill_slots(chunk: str, texts: Sequence[str]) -> tuple[str, list[int]]:
    """Return the chunk with its texts, and the offsets of its score marks. A mark that a text spells stays text."""
    filled, marks = "", list[int]()
    for literal, match in split_slots(chunk):
        filled += literal
        if match is not None and match[0] == SCORE_MARK:
            marks.append(len(filled))
        elif match is not None:
            filled += texts[int(match[1])]
    return filled, marks


def split_slots(text: str) -> Iterable[tuple[str, re.Match[str] | None]]:
    """Yield the text before each slot or mark with its match, then the rest with None."""
    at = 0
    for match in SLOT.finditer(text):
        yield text[at : match.start()], match
        at = match.end()
    yield text[at:], None
