"""Multiple choice: what is offered under which letter, and which of them an answer picks."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from cogitate.server.evaluation.reference import NoReference, first
from cogitate.server.evaluation.scoring import Grade
from cogitate.strategies.answers import canonical
from cogitate.strategies.answers.multiple_choice import letter


def offered(row: Mapping[str, Any]) -> tuple[list[str], str]:
    """The texts that are offered, and the letter of the right one. Raises NoReference.

    `choices` is a list, or ARC's object of `text` and `label`, whose right label is in `answerKey`.
    """
    choices, answer = row["choices"], first(row, ("answer", "answerKey"))
    labelled = isinstance(choices, Mapping)
    texts = [str(text) for text in (choices["text"] if labelled else choices)]
    if len(texts) > len(ascii_uppercase):
        raise NoReference(f"it offers {len(texts)} choices, more than there are letters")
    labels = [str(label) for label in choices["label"]] if labelled else list(ascii_uppercase[: len(texts)])
    return texts, ascii_uppercase[place(str(answer) if labelled else answer, texts, labels)]


def place(answer: object, texts: Sequence[str], labels: Sequence[str]) -> int:
    """Where the right one is. `answer`: its index, its label in either case, or its text. Raises NoReference."""
    if isinstance(answer, int):
        places = [at for at in range(len(texts)) if at == answer and not isinstance(answer, bool)]
    else:
        said = str(answer).strip()
        named = [said.upper() == label.upper() or said == text for label, text in zip(labels, texts, strict=True)]
        places = [at for at, right in enumerate(named) if right]
    if len(places) != 1:
        raise NoReference(
            f"its answer {answer!r} is {'more than one' if places else 'none'} of the {len(texts)} choices"
        )
    return places[0]


def picks(gold: str, texts: Sequence[str]) -> Grade:
    """Right is the letter, and the text where it is that of no other choice and no letter."""
    letters = ascii_uppercase[: len(texts)]
    keys = [canonical(text) for text in texts]
    plain = {key for key in keys if keys.count(key) == 1 and key.upper() not in set(letters)}
    of_text = {key: name for key, name in zip(keys, letters, strict=True) if key in plain}

    def grade(answer: str | None) -> bool:
        return answer is not None and (of_text.get(canonical(answer)) or letter(answer, letters)) == gold

    return grade
