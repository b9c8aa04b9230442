"""A question and a solution as the token ids that a reward model reads, and the places at which it is read. No vLLM.

The model's chat template is rendered once for each number of steps, over holes. To read a solution the holes are
filled, the control tokens that the template and the format wrote become ids, and all that stands between two of them is
tokenised as plain text. For text without control tokens these are the very ids of the whole tokenised at once, since
tokenisers split at control tokens first; text that spells one stays text, and can neither end a turn nor make a step.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cogitate.server.engine.reward.formats import BEGIN, CUT, PLACE, RewardFormat, hole

HOLE = re.compile(f"\ue000(\\d+)\ue001|{PLACE}")

Encode = Callable[[str], Sequence[tuple[int, int]]]
"""Tokenises text, knowing nothing of control tokens: each token's id, and the character behind its last one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A solution as the model reads it."""

    ids: list[int]
    places: list[int]
    """The tokens at which it is read, one for each step."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Raises ValueError for a tokeniser that the format does not fit."""

    format: RewardFormat
    render: Callable[[list[dict[str, str]]], str]
    """The chat template."""
    control: Mapping[str, int]
    """The id of every token that text must not be able to spell."""
    plain: Encode
    begin: str = ""
    """The token that begins a text, if there is one."""
    _scaffolds: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.format.tag and self.format.tag not in self.control:
            raise ValueError(f"The tokeniser of the reward model has no token {self.format.tag}")
        if any(self.scaffold(2).count(hole(number)) != 1 for number in range(3)):
            raise ValueError("The chat template of the reward model does not write each message once, as it is")
        if self.format.labels and not all(map(self.plain, self.format.labels)):
            raise ValueError("The tokeniser of the reward model has no tokens for its verdicts")
        if PLACE in self.scaffold(2) and len(self.read("1 + 1?", ["2.", "Two."]).places) < 2:
            raise ValueError("The tokeniser of the reward model ends no token where its format is read")

    @property
    def tag(self) -> int | None:
        return self.control[self.format.tag] if self.format.tag else None

    @property
    def labels(self) -> list[int]:
        """The ids of the verdicts: the last token of each, as the models' own code has it."""
        return [self.plain(label)[-1][0] for label in self.format.labels]

    def scaffold(self, n: int) -> str:
        if n not in self._scaffolds:
            chat = self.format.layout != "text"
            written = self.render(self.format.turns(n)) if chat else self.format.text(n)
            self._scaffolds[n] = written.replace(BEGIN, self.begin)
        return self._scaffolds[n]

    def read(self, question: str, steps: Sequence[str]) -> Reading:
        """A format without places is read at its end. A place at which no token ends is none."""
        ids, places = list[int](), list[int]()
        scaffold = self.scaffold(len(steps))
        for piece in self._split(scaffold):
            if piece in self.control:
                ids.append(self.control[piece])
                continue
            text, marks = filled(piece, (question, *steps))
            tokens = self.plain(text)
            ends = {end: at for at, (_, end) in enumerate(tokens)} | {0: -1}
            places += [len(ids) + ends[mark] for mark in marks if mark in ends]
            ids += [token for token, _ in tokens]
        return Reading(ids, places if PLACE in scaffold else [len(ids) - 1])

    def _split(self, written: str) -> Iterator[str]:
        """Control tokens and what stands between them, the longest first where one begins another; and the cuts."""
        longest_first = sorted(self.control, key=len, reverse=True)
        pattern = "|".join(map(re.escape, (*longest_first, CUT)))
        return (piece for piece in re.split(f"({pattern})", written) if piece and piece != CUT)


def filled(piece: str, texts: Sequence[str]) -> tuple[str, list[int]]:
    """The piece with its texts, and where its places are. What a text spells is no place."""
    said, marks = "", list[int]()
    for literal, found in pieces(piece):
        said += literal
        if found is not None and found[0] == PLACE:
            marks.append(len(said))
        elif found is not None:
            said += texts[int(found[1])]
    return said, marks


def pieces(text: str) -> Iterable[tuple[str, re.Match[str] | None]]:
    """What stands before each hole, with the hole, and what stands behind the last."""
    at = 0
    for found in HOLE.finditer(text):
        yield text[at : found.start()], found
        at = found.end()
    yield text[at:], None
