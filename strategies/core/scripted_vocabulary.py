"""The vocabulary of the scripted engine: one token for each word with the blanks before it."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

OPEN_TAG, CLOSE_TAG = "<think>", "</think>"
"""Each is one token, as in models that think in tags."""
END_OF_TURN = 0
"""The id of the end-of-turn token."""
WORD = re.compile(r"\n\n|</?think>|\s*(?:(?!</?think>)[^\s])+|\s")
MAX_CACHED_TEXTS = 16


@dataclass(slots=True)
class ScriptedVocabulary:
    """Maps words to token ids, which are given out as words are first met. Recent texts are tokenised once."""

    ids: dict[str, int] = field(default_factory=lambda: {"": END_OF_TURN})
    words: list[str] = field(default_factory=lambda: [""])
    _cache: OrderedDict[str, list[int]] = field(default_factory=OrderedDict)

    def encode(self, text: str) -> list[int]:
        if text in self._cache:
            self._cache.move_to_end(text)
        else:
            self._cache[text] = [self._id(word) for word in WORD.findall(text)]
            if len(self._cache) > MAX_CACHED_TEXTS:
                self._cache.popitem(last=False)
        return list(self._cache[text])

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.words[token] for token in ids)

    def _id(self, word: str) -> int:
        if word not in self.ids:
            self.ids[word] = len(self.words)
            self.words.append(word)
        return self.ids[word]
