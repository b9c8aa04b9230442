"""Multiple choice: reads the choices of a row, and grades which of them an answer picks."""

from collections.abc import Mapping, Sequence
from functools import cache
from string import ascii_uppercase
from typing import Any

from cogitate.server.evaluation.equality import are_keys_equal
from cogitate.server.evaluation.reference import Grade, NoReference, first_value
from cogitate.strategies.answers import canonical
from cogitate.strategies.answers.multiple_choice import parse_letter


def parse_choices(row: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return the texts of the choices, and the letter of the right one.

    `choices` is a list, or ARC's object of `text` and `label`, whose right label is in `answerKey`. Raises NoReference.
    """
    choices, answer = row["choices"], first_value(row, ("answer", "answerKey"))
    labelled = isinstance(choices, Mapping)
    texts = [str(text) for text in (choices["text"] if labelled else choices)]
    if len(texts) > len(ascii_uppercase):
        raise NoReference(f"it has {len(texts)} choices; at most {len(ascii_uppercase)} can be lettered")
    labels = [str(label) for label in choices["label"]] if labelled else list(ascii_uppercase[: len(texts)])
    return texts, ascii_uppercase[_find_answer(str(answer) if labelled else answer, texts, labels)]


def _find_answer(answer: object, texts: Sequence[str], labels: Sequence[str]) -> int:
    """Return the index of the right choice. `answer`: its index, its label in either case, or its text.

    Raises NoReference.
    """
    if isinstance(answer, int):
        places = [at for at in range(len(texts)) if at == answer and not isinstance(answer, bool)]
    else:
        word = str(answer).strip()
        matches = [word.upper() == label.upper() or word == text for label, text in zip(labels, texts, strict=True)]
        places = [at for at, right in enumerate(matches) if right]
    if len(places) != 1:
        count = "more than one" if places else "none"
        raise NoReference(f"its answer {answer!r} matches {count} of the {len(texts)} choices")
    return places[0]


def choice_grade(gold: str, texts: Sequence[str]) -> Grade:
    """Build a grade that accepts the letter `gold`, or the text of that choice.

    A text counts only where it is equal to that choice alone, by the equality of a vote, and is no letter itself.
    """
    letters = ascii_uppercase[: len(texts)]
    keys = [canonical(text) for text in texts]
    unique = {key for key in keys if keys.count(key) == 1 and key.upper() not in set(letters)}
    letter_of = {key: name for key, name in zip(keys, letters, strict=True) if key in unique}

    def find_choice(key: str) -> str | None:
        if key in letter_of:
            return letter_of[key]
        named = (
            []
            if key.upper() in set(letters)
            else [name for text, name in letter_of.items() if are_keys_equal(key, text)]
        )
        return named[0] if len(named) == 1 else None

    @cache
    def grade(answer: str | None) -> bool:
        return answer is not None and (find_choice(canonical(answer)) or parse_letter(answer, letters)) == gold

    return grade
